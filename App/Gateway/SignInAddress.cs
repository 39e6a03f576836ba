using App.Ui;

namespace App.Gateway;

/// <summary>Where a stranger signs in, with the way back to what they wanted.</summary>
internal sealed class SignInAddress(PublicUrl publicUrl, ReturnOrigins origins)
{
    private const string Page = "/account/sign-in";

    /// <summary>Absolute, and ready for a <c>Location</c> header: proxies such as nginx can't encode a part of a query themselves.</summary>
    public string For(OriginalRequest original)
    {
        var wanted = original is not { Target: { } target } ? null
            : original.Origin is not { } origin || origin.Equals(publicUrl.Origin, StringComparison.OrdinalIgnoreCase) ? ReturnUrl.Local(target, "")
            : origin + target;
        var known = ReturnUrl.Known(wanted, origins, "");
        return ReturnUrl.Via(publicUrl.Issuer + Page, known);
    }
}
