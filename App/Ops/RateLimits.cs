using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Net;
using System.Net.Sockets;
using System.Threading.RateLimiting;

namespace App.Ops;

/// <summary>How much one address may ask for (section <c>RateLimits</c>).</summary>
public sealed class RateLimitOptions
{
    [Range(1, 100_000)]
    [Description("Credential requests (sign-in, sign-up, tokens) that one address, or one IPv6 /64, may make in a minute.")]
    public int PerAddressPerMinute { get; set; } = 600;
}

/// <summary>
/// One policy, for every door that takes a credential: endpoints ask for it with <c>.RequireRateLimiting(RateLimits.Credentials)</c>,
/// pages with <c>@attribute [EnableRateLimiting(RateLimits.Credentials)]</c>. All of them count together, and only POSTs do.
/// </summary>
public static class RateLimits
{
    public const string Credentials = "credentials";

    /// <summary>As many again for questions about a password that is being typed, so that typing never stands in the way of signing in.</summary>
    public const string Judgements = "judgements";

    private const int Segments = 12;

    internal static IServiceCollection AddRateLimits(this IServiceCollection services) => services.AddRateLimiter(limiter =>
    {
        limiter.RejectionStatusCode = StatusCodes.Status429TooManyRequests;

        // By then all that was counted has left the window, whenever in it that was; the body is written where all errors are.
        limiter.OnRejected = static (rejected, _) =>
        {
            rejected.HttpContext.Response.Headers.RetryAfter = "60";
            Refusals.Note(rejected.HttpContext, "address limit");
            return ValueTask.CompletedTask;
        };
        limiter.AddPolicy(Credentials, PerAddress);
        limiter.AddPolicy(Judgements, PerAddress);
    });

    private static RateLimitPartition<IPAddress> PerAddress(HttpContext http) => HttpMethods.IsPost(http.Request.Method)
        ? RateLimitPartition.GetSlidingWindowLimiter(Network(http.Connection.RemoteIpAddress), _ => new SlidingWindowRateLimiterOptions
        {
            PermitLimit = http.RequestServices.GetRequiredService<RateLimitOptions>().PerAddressPerMinute,
            Window = TimeSpan.FromMinutes(1),
            SegmentsPerWindow = Segments,
            QueueLimit = 0,
        })
        : RateLimitPartition.GetNoLimiter(IPAddress.Any);

    /// <summary>Who counts as one: an IPv4 address, or the /64 that any IPv6 customer gets at least.</summary>
    internal static IPAddress Network(IPAddress? address)
    {
        if (address is null) return IPAddress.None;
        if (address.IsIPv4MappedToIPv6) return address.MapToIPv4();
        if (address.AddressFamily != AddressFamily.InterNetworkV6) return address;
        var bytes = address.GetAddressBytes();
        bytes.AsSpan(8).Clear();
        return new IPAddress(bytes);
    }
}
