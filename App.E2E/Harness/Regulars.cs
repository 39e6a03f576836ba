using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;

namespace App.E2E.Harness;

/// <summary>People whose tokens the service has seen before, and who never pause: "who am I" and forward-auth, by header and by cookie.</summary>
internal sealed class Regulars : IAsyncDisposable
{
    private readonly CancellationTokenSource _enough = new();
    private readonly List<Task> _asking = [];
    private long _passed, _slowest;

    /// <summary>What went wrong, a line for each answer that wasn't theirs.</summary>
    public ConcurrentQueue<string> Failed { get; } = new();

    public long Passed => Interlocked.Read(ref _passed);
    public TimeSpan Slowest => TimeSpan.FromTicks(Interlocked.Read(ref _slowest));

    /// <param name="connect">How each of them reaches the service, over a connection of their own.</param>
    public static async Task<Regulars> StartAsync(Service service, int count, Func<HttpClient>? connect = null)
    {
        var regulars = new Regulars();
        for (var i = 0; i < count; i++)
        {
            var person = Person.New("regular");
            var credentials = await service.Client.SignUpAsync(person);
            regulars._asking.Add(Task.Run(() => regulars.AskAsync((connect ?? service.NewClient)(), person, credentials)));
        }

        return regulars;
    }

    public async Task StopAsync()
    {
        await _enough.CancelAsync();
        await Task.WhenAll(_asking);
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _enough.Dispose();
    }

    private async Task AskAsync(HttpClient client, Person person, Credentials credentials)
    {
        using (client)
        {
            var cookie = "session=" + credentials.Session;
            while (!_enough.IsCancellationRequested)
            {
                await TryAsync(async () => await client.WhoAmIAsync(bearer: credentials.AccessToken) == person.Email);
                await TryAsync(async () => await client.WhoAmIAsync(cookie: cookie) == person.Email);
                await TryAsync(() => PassesAsync(client, credentials.AccessToken, null));
                await TryAsync(() => PassesAsync(client, null, cookie));
                await Task.Delay(1);
            }
        }
    }

    private async Task TryAsync(Func<Task<bool>> ask)
    {
        var clock = Stopwatch.StartNew();
        try
        {
            if (!await ask()) Failed.Enqueue("taken for a stranger");
            Interlocked.Increment(ref _passed);
        }
        catch (Exception e)
        {
            Failed.Enqueue($"{e.GetType().Name}: {e.Message}");
        }

        for (var slowest = _slowest; clock.Elapsed.Ticks > slowest; slowest = _slowest) Interlocked.CompareExchange(ref _slowest, clock.Elapsed.Ticks, slowest);
    }

    private static async Task<bool> PassesAsync(HttpClient client, string? bearer, string? cookie)
    {
        using var answer = await client.SendAsync(HttpMethod.Get, "/auth/verify", bearer, cookie);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        return answer.Headers.Contains("X-Auth-User");
    }
}
