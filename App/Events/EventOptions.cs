using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Net;
using StackExchange.Redis;

namespace App.Events;

public sealed class EventOptions : IValidatableObject
{
    [Secret(Trimmed = true)]
    [Description("Connection string of a Redis, such as `redis:6379,password=…,ssl=true`: the event feed is a stream there too, and replicas learn of a sign-out within milliseconds. Nothing depends on it.")]
    public string? Redis { get; set => field = string.IsNullOrWhiteSpace(value) ? null : value; }

    [Required, MaxLength(200)]
    [Description("Key of the stream in Redis, and the channel on which its newest cursor is announced. One for each database.")]
    public string RedisStream { get; set; } = "gatehouse:events";

    [Range(1000, 10_000_000)]
    [Description("About how many of the newest entries the stream keeps; each takes about 1 KB of Redis' memory.")]
    public int RedisLength { get; set; } = 100_000;

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (Redis is not null && !IsReadable(Redis))
            yield return new ValidationResult("no connection string of StackExchange.Redis. Give host:port, then options such as password=…,ssl=true.", [nameof(Redis)]);
    }

    private static bool IsReadable(string text)
    {
        try
        {
            return ConfigurationOptions.Parse(text).EndPoints is { Count: > 0 } all && all.All(IsAddress);
        }
        catch (Exception e) when (e is ArgumentException or FormatException or OverflowException)
        {
            return false;
        }
    }

    // What it can't read as a host and a port, the library takes for the name of a host.
    private static bool IsAddress(EndPoint endpoint) => endpoint is not DnsEndPoint { Host: var host } || Uri.CheckHostName(host) != UriHostNameType.Unknown;
}
