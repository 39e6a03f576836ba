using System.Globalization;
using App.Accounts;
using App.Ops;
using App.Sessions;
using App.Ui;

namespace App.Profile;

/// <summary>The button that takes one's data along: a form whose answer is a file.</summary>
internal static class DataForm
{
    private const string Page = "/account/profile";

    public static void Map(IEndpointRouteBuilder routes) =>
        // The origin of every form is checked at one door, so there are no tokens in them.
        routes.MapPost("/account/data", HandleAsync).RequireAuthorization().WithMetadata(new FormOf(Page)).RequireRateLimiting(RateLimits.Credentials).DisableAntiforgery().ExcludeFromDescription();

    private static async Task<IResult> HandleAsync(CurrentUser user, MyData data, HttpContext http, CancellationToken ct) =>
        await data.TryAsync(PostedForm.Field(http.Request, "password") ?? "", user, Client.Of(http), ct) switch
        {
            MyData.Outcome.Told(var json) => TypedResults.File(json, "application/json", "my-data.json"),
            MyData.Outcome.Refused(CheckPassword.Outcome.Gone) => new SeeOther("/account"),
            // To the page and no place of it, which would keep the summary of what is wrong from the focus.
            MyData.Outcome.Refused(CheckPassword.Outcome.LockedOut(var wait)) => new SeeOther(Page, told: string.Create(CultureInfo.InvariantCulture, $"data-locked {Math.Ceiling(wait.TotalSeconds)}")),
            _ => new SeeOther(Page, told: "data-wrong"),
        };
}
