using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using App.Events;

namespace App.Push;

/// <summary>What came of one SET at one receiver.</summary>
internal abstract record Delivery
{
    public sealed record Delivered : Delivery;

    /// <summary>It will never take this one.</summary>
    /// <param name="Error">Its error code (RFC 8935 section 2.4).</param>
    public sealed record Refused(string Error) : Delivery;

    /// <summary>It may take it later.</summary>
    /// <param name="Why">A few words for an admin; nothing of what the receiver wrote.</param>
    public sealed record Failed(string Why) : Delivery;
}

/// <summary>Brings one SET to one receiver over HTTP (RFC 8935 section 2). Trusts nothing on the way: not the name, not a redirect, not the answer.</summary>
internal sealed class PushDelivery : IDisposable
{
    private const int LongestAnswer = 4096;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    // They speak of us, not of the event: another attempt may go through once somebody has set that right, or once a new key is known there.
    private static readonly string[] OfOurs = ["authentication_failed", "access_denied", "invalid_key"];

    private readonly HttpClient _http;
    private readonly TimeProvider _time;
    private readonly PushOptions _options;

    public PushDelivery(PushOptions options, TimeProvider time)
    {
        (_time, _options) = (time, options);
        var handler = new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            UseProxy = false, // a proxy would dial for us, and what it dials we couldn't judge
            ActivityHeadersPropagator = null,
            ConnectTimeout = TimeSpan.FromSeconds(5),
            PooledConnectionIdleTimeout = TimeSpan.FromMinutes(1),
            PooledConnectionLifetime = TimeSpan.FromMinutes(5), // a name may move
            MaxResponseHeadersLength = 16,
            MaxResponseDrainSize = LongestAnswer,
            ResponseDrainTimeout = TimeSpan.FromSeconds(1),
            ConnectCallback = (context, ct) => PushAddress.DialAsync(context.DnsEndPoint, options.AllowPrivateNetworks, ct),
        };
        _http = new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan };
        _http.DefaultRequestHeaders.Accept.Add(new MediaTypeWithQualityHeaderValue("application/json"));
        _http.DefaultRequestHeaders.UserAgent.ParseAdd("Gatehouse");
    }

    public async Task<Delivery> PostAsync(PushReceiver receiver, string set, CancellationToken ct)
    {
        // As judged when it was saved, by the settings of today.
        if (PushAddress.FaultOf(receiver.Url.OriginalString, _options.AllowPrivateNetworks) is not null) return new Delivery.Failed("has an address that is not allowed");
        using var patience = new CancellationTokenSource(Patience, _time);
        using var end = CancellationTokenSource.CreateLinkedTokenSource(ct, patience.Token);
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, receiver.Url) { Content = new ByteArrayContent(Encoding.ASCII.GetBytes(set)) };
            request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/secevent+jwt");
            if (receiver.Secret is not null) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", receiver.Secret);
            using var answer = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, end.Token);
            if (answer.StatusCode is HttpStatusCode.Accepted or HttpStatusCode.OK) return new Delivery.Delivered();
            var error = answer.StatusCode == HttpStatusCode.BadRequest ? await ReadErrorAsync(answer, end.Token) : null;
            if (error is not null && !OfOurs.Contains(error)) return new Delivery.Refused(error);
            return new Delivery.Failed(error is null ? $"answered {(int)answer.StatusCode}" : $"answered {error}");
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            return new Delivery.Failed("did not answer in time");
        }
        catch (HttpRequestException e) when (e is PushForbiddenException || e.InnerException is PushForbiddenException)
        {
            return new Delivery.Failed("has an address that is not public");
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            return new Delivery.Failed(e is HttpRequestException { HttpRequestError: HttpRequestError.SecureConnectionError } ? "has no certificate that we trust" : "could not be reached");
        }
    }

    public void Dispose() => _http.Dispose();

    // Letters of an error code alone: the rest of what it wrote is read by nobody.
    private static async Task<string?> ReadErrorAsync(HttpResponseMessage answer, CancellationToken ct)
    {
        var buffer = new byte[LongestAnswer];
        await using var body = await answer.Content.ReadAsStreamAsync(ct);
        var length = await body.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, ct);
        try
        {
            using var json = JsonDocument.Parse(buffer.AsMemory(0, length));
            if (json.RootElement.ValueKind != JsonValueKind.Object || !json.RootElement.TryGetProperty("err", out var err) || err.ValueKind != JsonValueKind.String) return null;
            var code = new string([.. err.GetString()!.Where(c => char.IsAsciiLetterOrDigit(c) || c is '_').Take(40)]);
            return code.Length == 0 ? null : code;
        }
        // InvalidOperationException: half a surrogate pair, which is no text.
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null;
        }
    }
}
