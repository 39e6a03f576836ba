namespace App.Frame;

/// <summary>
/// Put on a page that hosts an interactive island.
/// Only such pages load Blazor's script; every other page is plain HTML, one style sheet and two kilobytes of our own script.
/// </summary>
[AttributeUsage(AttributeTargets.Class)]
internal sealed class NeedsRuntimeAttribute : Attribute;
