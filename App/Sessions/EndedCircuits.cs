using Microsoft.AspNetCore.Components.Authorization;
using Microsoft.AspNetCore.Components.Server.Circuits;

namespace App.Sessions;

/// <summary>
/// A circuit outlives the request that opened it, so what a browser sends into it is asked for its session each time.
/// Events of an ended one are dropped: throwing would only tear the page down before it could say why.
/// </summary>
internal sealed class EndedCircuits(SessionWatch watch, AuthenticationStateProvider authentication) : CircuitHandler
{
    public override Func<CircuitInboundActivityContext, Task> CreateInboundActivityHandler(Func<CircuitInboundActivityContext, Task> next) =>
        async context =>
        {
            var user = CurrentUser.From((await authentication.GetAuthenticationStateAsync()).User);
            if (user is null || !watch.IsEnded(user)) await next(context);
        };
}
