using System.Globalization;
using Microsoft.AspNetCore.Components;

namespace App.Ui;

/// <summary>
/// An interactive part of a page. It goes on in the language of the page's first HTML, whoever makes it render:
/// a circuit's own culture is that of its connection, and what other requests cause is rendered on their threads.
/// </summary>
public abstract class Island : ComponentBase
{
    /// <summary>The page's language: <c>CultureInfo.CurrentUICulture.Name</c>. Without it, whatever is spoken already.</summary>
    [Parameter, EditorRequired] public string Language { get; set; } = "";

    /// <summary>For code that makes up its texts before it is rendered.</summary>
    protected void Speak()
    {
        if (Language.Length > 0) CultureInfo.CurrentCulture = CultureInfo.CurrentUICulture = CultureInfo.GetCultureInfo(Language);
    }

    // Not in an async method, which would take the culture back before the first rendering.
    public override Task SetParametersAsync(ParameterView parameters)
    {
        parameters.SetParameterProperties(this);
        Speak();
        return base.SetParametersAsync(ParameterView.Empty);
    }

    protected override bool ShouldRender()
    {
        Speak();
        return true;
    }
}
