using App.Sessions;
using App.Ui;
using Microsoft.AspNetCore.Mvc;

namespace App.Profile;

/// <summary>"This wasn't me" on the activity page: ends that session, or all others, and leads to a new password.</summary>
internal static class DisownForm
{
    private const string Next = "/account/security?notme=1";

    public static void Map(IEndpointRouteBuilder routes)
    {
        var forms = routes.MapGroup("/account/activity").RequireAuthorization().DisableAntiforgery().ExcludeFromDescription();
        forms.MapPost("/end", OneAsync);
        forms.MapPost("/end-others", OthersAsync);
    }

    private static async Task<SeeOther> OneAsync([FromForm] Guid id, CurrentUser user, EndSession end, CancellationToken ct) =>
        new(id == user.SessionId ? "/account/activity" : await end.TryAsync(user, id, ct) is EndSession.Outcome.Ended ? Next : "/account/activity");

    private static async Task<SeeOther> OthersAsync(CurrentUser user, EndSession end, CancellationToken ct)
    {
        await end.OthersAsync(user, ct);
        return new SeeOther(Next);
    }
}
