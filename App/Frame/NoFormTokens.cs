using Microsoft.AspNetCore.Components.Forms;

namespace App.Frame;

/// <summary>
/// Pages carry no antiforgery token and set no cookie for one: one middleware checks the origin at every door.
/// The framework's own provider would put both, and a kilobyte of protected state, into every page.
/// </summary>
internal sealed class NoFormTokens : AntiforgeryStateProvider
{
    public override AntiforgeryRequestToken? GetAntiforgeryToken() => null;
}
