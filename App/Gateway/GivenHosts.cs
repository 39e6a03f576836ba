using App.Ops;
using Microsoft.AspNetCore.Routing.Matching;

namespace App.Gateway;

/// <summary>
/// On a host that is given to a service nothing of ours is found, whatever of it the routes leave: its scripts are of one origin with all that answers there,
/// and could read tokens off <c>/auth/verify</c>, or do what their reader may. Part of routing, since the busiest of our routes answer as soon as they are found.
/// </summary>
internal sealed class GivenHosts(GatewayConfig gateway) : MatcherPolicy, IEndpointSelectorPolicy
{
    /// <summary>After those that look at host and method.</summary>
    public override int Order => int.MaxValue;

    // Asked anew whenever the proxy's routes change, after the hosts have.
    public bool AppliesToEndpoints(IReadOnlyList<Endpoint> endpoints) => gateway.GivesHostsAway && endpoints.Any(IsOurs);

    public Task ApplyAsync(HttpContext httpContext, CandidateSet candidates)
    {
        if (!gateway.IsGivenAway(httpContext.Request.Host.Host)) return Task.CompletedTask;
        for (var i = 0; i < candidates.Count; i++)
            if (IsOurs(candidates[i].Endpoint)) candidates.SetValidity(i, false);

        return Task.CompletedTask;
    }

    private static bool IsOurs(Endpoint endpoint) => endpoint.Metadata.GetMetadata<PassedOn>() is null;
}
