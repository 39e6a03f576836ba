using System.ComponentModel;

namespace App.Ops;

/// <summary>The API's description and its reader (section <c>Docs</c>).</summary>
public sealed class DocsOptions
{
    [Description("Serves the OpenAPI description at `/openapi/v1.json` and its reader at `/docs`; otherwise both are 404.")]
    public bool Enabled { get; set; } = true;
}
