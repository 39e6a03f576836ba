using Microsoft.AspNetCore.Components.Authorization;
using Microsoft.AspNetCore.Components.Server.Circuits;

namespace App.Sessions;

/// <summary>
/// A circuit outlives the request that opened it, so what a browser sends into it is asked for its session each time.
/// It belongs to the session it was opened with: what comes over a connection of another is dropped (whoever has got hold of its id), and
/// once that session has ended it stays so, also when the index of revocations has long forgotten it.
/// Events are dropped, no more: throwing would only tear the page down before it could say why.
/// </summary>
internal sealed class EndedCircuits(SessionWatch watch, AuthenticationStateProvider authentication) : CircuitHandler, IDisposable
{
    private CurrentUser? _owner;
    private IDisposable? _watching;
    private volatile bool _ended;
    private bool _bound;

    public override async Task OnCircuitOpenedAsync(Circuit circuit, CancellationToken cancellationToken) => Bind(await WhoAsync());

    public override Func<CircuitInboundActivityContext, Task> CreateInboundActivityHandler(Func<CircuitInboundActivityContext, Task> next) =>
        async context =>
        {
            var user = await WhoAsync();
            Bind(user);
            if (user?.SessionId != _owner?.SessionId) return;
            if (user is not null) End(user);
            if (!_ended) await next(context);
        };

    public void Dispose() => _watching?.Dispose();

    private async Task<CurrentUser?> WhoAsync() => CurrentUser.From((await authentication.GetAuthenticationStateAsync()).User);

    private void Bind(CurrentUser? user)
    {
        if (_bound) return;
        (_bound, _owner) = (true, user);
        if (user is null) return;
        _watching = watch.Subscribe(user.Id, _ => End(user), isQuick: true);
        // Watch first, look then.
        End(user);
    }

    // Never taken back, whichever of two looks at once is written last.
    private void End(CurrentUser user)
    {
        if (watch.IsEnded(user)) _ended = true;
    }
}
