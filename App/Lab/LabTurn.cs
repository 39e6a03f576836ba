using System.Net.Http.Headers;
using App.Data;
using App.Sessions;
using App.Strategies;

namespace App.Lab;

/// <summary>What an experiment works with: the services, and a session of the person that it may end.</summary>
internal sealed class LabVisit(IReadOnlyList<Stand> stands, Grant grant, Func<Task> end)
{
    public IReadOnlyList<Stand> Stands => stands;

    /// <summary>The session's access token: for the services alone.</summary>
    public string Token => grant.AccessToken;

    /// <summary>When services that know the key alone stop believing the token.</summary>
    public DateTimeOffset BelievedUntil => DateTimeOffset.FromUnixTimeSeconds(grant.User.ExpiresAt) + Tokens.TokenOptions.ClockSkew;

    public Task EndSessionAsync() => end();

    /// <summary>A caller of one service, who keeps the connection and sends the token as a bearer header.</summary>
    public HttpClient NewCaller(Stand stand) => new(new SocketsHttpHandler { UseCookies = false, UseProxy = false, ActivityHeadersPropagator = null })
    {
        BaseAddress = stand.Address,
        Timeout = TimeSpan.FromSeconds(10),
        DefaultRequestHeaders = { Authorization = new AuthenticationHeaderValue("Bearer", grant.AccessToken) },
    };
}

/// <summary>How an experiment went.</summary>
internal abstract record LabOutcome
{
    public sealed record Done : LabOutcome;

    /// <summary>Somebody else's experiment is under way: two at once would cut each other's lines, and the lab is no means to put load on anybody.</summary>
    public sealed record Busy : LabOutcome;

    /// <summary>The services can't be started or can't reach us.</summary>
    public sealed record Unavailable : LabOutcome;
}

/// <summary>One experiment at a time, each with a session of its own; and however it ends, the session is over and the lines are whole.</summary>
internal sealed partial class LabTurn(IServiceScopeFactory scopes, LabBench bench, ILogger<LabTurn> logger) : IDisposable
{
    private readonly SemaphoreSlim _one = new(1);

    public async Task<LabOutcome> RunAsync(CurrentUser user, Func<LabVisit, CancellationToken, Task> experiment, CancellationToken ct)
    {
        if (!await _one.WaitAsync(0, ct)) return new LabOutcome.Busy();
        Grant? grant = null;
        try
        {
            if (await InScopeAsync<RegisterLab, (Credentials, Credentials)?>(register => register.RunAsync(ct)) is not { } credentials) return new LabOutcome.Unavailable();
            await bench.OpenAsync(credentials, ct);
            grant = await InScopeAsync<LabSession, Grant?>(session => session.BeginAsync(user, ct));
            if (grant is null) return new LabOutcome.Unavailable();
            await experiment(new LabVisit(bench.Stands, grant, () => EndAsync(grant)), ct);
            return new LabOutcome.Done();
        }
        catch (Exception e) when (e is HttpRequestException or IOException || DatabaseFault.Is(e) || (e is OperationCanceledException && !ct.IsCancellationRequested))
        {
            NotRun(e.Message);
            return new LabOutcome.Unavailable();
        }
        finally
        {
            foreach (var line in bench.Stands.Select(stand => stand.Line))
            {
                line.Set(Cut.Nothing);
                line.Distance = TimeSpan.Zero;
            }

            try
            {
                if (grant is not null) await EndAsync(grant);
            }
            catch (Exception e) when (DatabaseFault.Is(e))
            {
                NotEnded(e.Message); // it is one of the person's sessions, and ends with its lifetime or by their hand
            }
            finally
            {
                _one.Release();
            }
        }
    }

    public void Dispose() => _one.Dispose();

    private Task<bool> EndAsync(Grant grant) => InScopeAsync<LabSession, bool>(async session =>
    {
        await session.EndAsync(grant, CancellationToken.None);
        return true;
    });

    private async Task<T> InScopeAsync<TVerb, T>(Func<TVerb, Task<T>> act) where TVerb : notnull
    {
        await using var scope = scopes.CreateAsyncScope();
        return await act(scope.ServiceProvider.GetRequiredService<TVerb>());
    }

    [LoggerMessage(9501, LogLevel.Warning, "An experiment of the lab can't be done: {Cause}")]
    private partial void NotRun(string cause);

    [LoggerMessage(9502, LogLevel.Warning, "The session of an experiment couldn't be ended: {Cause}")]
    private partial void NotEnded(string cause);
}
