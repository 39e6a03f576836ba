using App.Events;
using App.Sessions;
using App.Ui;
using Microsoft.AspNetCore.Http.HttpResults;

namespace App.Profile;

/// <summary>"This wasn't me" on the activity page: ends that session, or all others, and leads to a new password.</summary>
internal static class DisownForm
{
    private const string Page = "/account/activity";
    private const string Next = "/account/security?notme=1";

    public static void Map(IEndpointRouteBuilder routes)
    {
        var forms = routes.MapGroup(Page).RequireAuthorization().DisableAntiforgery().ExcludeFromDescription();
        forms.MapPost("/end", OneAsync);
        forms.MapPost("/end-others", OthersAsync);
    }

    private static async Task<Results<SeeOther, BadRequest>> OneAsync(CurrentUser user, EndSession end, HttpContext http, CancellationToken ct)
    {
        if (!Guid.TryParse(PostedForm.Field(http.Request, "id"), out var id)) return TypedResults.BadRequest();
        if (id == user.SessionId) return new SeeOther(Page);
        return new SeeOther(await end.TryAsync(user, id, ct, Causes.Disowned) switch
        {
            EndSession.Outcome.Ended => Next,
            EndSession.Outcome.ProofRequired => ReturnUrl.Via(ReturnUrl.Confirm, Page),
            _ => Page,
        });
    }

    private static async Task<SeeOther> OthersAsync(CurrentUser user, EndSession end, CancellationToken ct) =>
        new(await end.OthersAsync(user, ct, Causes.Disowned) is null ? ReturnUrl.Via(ReturnUrl.Confirm, Page) : Next);
}
