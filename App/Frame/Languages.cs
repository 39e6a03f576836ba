using System.Globalization;
using App.Data;
using App.Mail;
using App.Ops;
using App.Ui;
using Microsoft.AspNetCore.Localization;
using Microsoft.AspNetCore.StaticAssets;

namespace App.Frame;

/// <summary>What people read is in the language chosen in the footer, else in the first of the browser's that there is, else in English.</summary>
internal static class Languages
{
    public const string Cookie = "language";

    public static readonly IReadOnlyList<CultureInfo> All = [CultureInfo.GetCultureInfo("en"), CultureInfo.GetCultureInfo("de")];

    private static readonly RequestLocalizationOptions Options = new()
    {
        DefaultRequestCulture = new RequestCulture(All[0]),
        SupportedCultures = [.. All],
        SupportedUICultures = [.. All],
        RequestCultureProviders =
        [
            new CustomRequestCultureProvider(http => Task.FromResult(Known(http.Request.Cookies[Cookie]) is { } chosen ? new ProviderCultureResult(chosen) : null)),
            new AcceptLanguageHeaderRequestCultureProvider { MaximumAcceptLanguageHeaderValuesToTry = 10 },
        ],
    };

    public static void Use(IApplicationBuilder app) => app.UseWhen(IsForPeople, people => people.UseRequestLocalization(Options));

    /// <summary>Says on a document which language it is in, and what that depends on (RFC 9110 sections 8.5 and 12.5.5).</summary>
    public static void Declare(HttpResponse response)
    {
        if (response.HasStarted) return;
        response.Headers.ContentLanguage = CultureInfo.CurrentUICulture.Name;
        response.Headers.AppendCommaSeparatedValues("Vary", "Accept-Language", "Cookie");
    }

    /// <summary>The form behind the switch in the footer. Of somebody who is signed in, letters follow.</summary>
    public static async Task<SeeOther> HandleAsync(HttpContext http, CancellationToken ct)
    {
        var chosen = Known(PostedForm.Field(http.Request, "language"));
        if (chosen is not null && CurrentUser.From(http.User) is { } user)
            await http.RequestServices.GetRequiredService<AppDb>().ChooseLanguageAsync(user.Id, chosen, ct);
        return Choices.Remember(http, Cookie, chosen);
    }

    // Programs are answered without a look at their headers: theirs are the busiest routes.
    private static bool IsForPeople(HttpContext http)
    {
        var marks = http.GetEndpoint()?.Metadata;
        return ApiPaths.Contain(http.Request.Path)
            ? marks?.GetMetadata<WritesLetters>() is not null
            : marks?.GetMetadata<StaticAssetDescriptor>() is null && !PassedOn.IsWanted(http);
    }

    private static string? Known(string? language) => All.FirstOrDefault(known => known.Name == language)?.Name;
}
