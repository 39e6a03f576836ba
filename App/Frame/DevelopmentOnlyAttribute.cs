namespace App.Frame;

/// <summary>Put on a page that is there in Development alone; elsewhere its address is as unknown as any other.</summary>
[AttributeUsage(AttributeTargets.Class)]
internal sealed class DevelopmentOnlyAttribute : Attribute;
