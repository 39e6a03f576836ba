using System.Text;

namespace App.Tests.Events;

/// <summary>The services that follow the feed in tests, as settings declare them.</summary>
internal static class FeedServices
{
    private static readonly (string Id, string? Audience)[] Services =
    [
        ("billing", null), ("orders", null), ("slow", null), ("reader", null), ("prometheus-test", null),
        ("bound", "bound-api"), ("orders-bound", "orders-api"),
        .. Enumerable.Range(0, 10).Select(i => ($"s{i}", (string?)null)),
        ("latecomer", null),
    ];

    public static readonly (string Key, string? Value)[] Settings =
    [
        .. Services.SelectMany((service, i) => new (string, string?)[]
        {
            ($"Services:{i}:Id", service.Id), ($"Services:{i}:Secret", SecretOf(service.Id)), ($"Services:{i}:Audience", service.Audience),
        }),
    ];

    public static string Credentials(string service) => "Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes($"{service}:{SecretOf(service)}"));

    private static string SecretOf(string service) => $"{service}-secret-of-at-least-32-characters";
}
