namespace App.Frame;

/// <summary>Put on a page that has parts of its own: a further style sheet, which no other page loads.</summary>
/// <param name="file">Its name in <c>wwwroot</c>.</param>
[AttributeUsage(AttributeTargets.Class)]
internal sealed class StyleSheetAttribute(string file) : Attribute
{
    public string File { get; } = file;
}
