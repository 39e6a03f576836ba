using Microsoft.AspNetCore.Localization;

namespace App.Sessions;

/// <summary>From where a request came, as far as it is worth remembering.</summary>
public sealed record Client(string Address, string UserAgent)
{
    private const int LongestUserAgent = 256;

    /// <summary>What its cookie says of earlier sign-ins; to be believed only after a check.</summary>
    public string? Device { get; private init; }

    /// <summary>The language that the request named, of those that there are; null where it named none.</summary>
    public string? Language { get; private init; }

    public static Client Of(HttpContext http)
    {
        ArgumentNullException.ThrowIfNull(http);
        var address = http.Connection.RemoteIpAddress;
        if (address is { IsIPv4MappedToIPv6: true }) address = address.MapToIPv4();
        var agent = http.Request.Headers.UserAgent.ToString();
        return new Client(address?.ToString() ?? "", agent.Length > LongestUserAgent ? agent[..LongestUserAgent] : agent)
        {
            Device = http.Request.Cookies[http.RequestServices.GetRequiredService<CookieNames>().Device],
            Language = http.Features.Get<IRequestCultureFeature>() is { Provider: not null } named ? named.RequestCulture.UICulture.Name : null,
        };
    }
}
