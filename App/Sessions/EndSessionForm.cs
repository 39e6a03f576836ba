using App.Ui;
using Microsoft.AspNetCore.Http.HttpResults;

namespace App.Sessions;

/// <summary>The two buttons of the sessions page where there is no script: the same verb, answered with the page again.</summary>
internal static class EndSessionForm
{
    private const string Page = "/account/sessions";

    // As many as are shown once more on the page that follows: a cookie tells it which.
    private const int Shown = 20;

    public static void Map(IEndpointRouteBuilder routes)
    {
        // The origin of every form is checked at one door, so there are no tokens in them.
        var forms = routes.MapGroup(Page).RequireAuthorization().WithMetadata(new FormOf(Page)).DisableAntiforgery().ExcludeFromDescription();
        forms.MapPost("/end", HandleAsync);
        forms.MapPost("/end-others", HandleOthersAsync);
    }

    private static async Task<Results<SeeOther, BadRequest>> HandleAsync(
        CurrentUser user, EndSession end, SessionCookies cookies, HttpContext http, CancellationToken ct)
    {
        if (!Guid.TryParse(PostedForm.Field(http.Request, "id"), out var id)) return TypedResults.BadRequest();
        var outcome = await end.TryAsync(user, id, ct);
        if (outcome is EndSession.Outcome.ProofRequired) return new SeeOther(ReturnUrl.Via(ReturnUrl.Confirm, Page));
        if (id != user.SessionId) return new SeeOther(Page, told: Ended(outcome is EndSession.Outcome.Ended ? [id] : []));
        cookies.Clear(http);
        return new SeeOther("/account/sign-out");
    }

    private static async Task<SeeOther> HandleOthersAsync(CurrentUser user, EndSession end, CancellationToken ct) =>
        await end.OthersAsync(user, ct) is { } ended ? new(Page, told: Ended(ended)) : new(ReturnUrl.Via(ReturnUrl.Confirm, Page));

    private static string Ended(IReadOnlyList<Guid> ids) => string.Join(' ', ["ended", $"{ids.Count}", .. ids.Take(Shown)]);
}
