using System.Globalization;
using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Mvc;

namespace App.Shared;

/// <summary>One thing that is wrong with a request, in words for the person who sent it.</summary>
/// <param name="Message">A sentence that is safe to show to anybody.</param>
/// <param name="Field">The member at fault; absent where no single one is.</param>
/// <param name="Said">The same to a person on a page, in their language; null where the message is that already. Programs read English, whoever they work for.</param>
public sealed record Fault(string Message, string? Field = null, [property: JsonIgnore] Func<string>? Said = null)
{
    /// <summary>What a page shows.</summary>
    [JsonIgnore]
    public string Words => Said?.Invoke() ?? Message;
}

/// <summary>
/// Every refusal a client can see: its status and its safe sentence.
/// The shape is RFC 9457 with the extension <c>errors</c>, which is also what clients of the course-style API read.
/// </summary>
public static class Problems
{
    /// <summary>The challenge to whoever showed a token that isn't good (RFC 6750 section 3.1); a stranger is told the scheme alone.</summary>
    public const string InvalidToken = "Bearer error=\"invalid_token\"";

    public static ProblemHttpResult Invalid(IReadOnlyList<Fault> faults) => Create(400, faults);

    public static ProblemHttpResult BadRequest(string message) => Create(400, new Fault(message));

    public static ProblemHttpResult EmailInUse() => Create(400, new Fault("Email in use"));

    public static ProblemHttpResult InvalidCredentials(int status = 400) => Create(status, new Fault("Invalid credentials"));

    public static ProblemHttpResult NotAuthorized() => Create(401, new Fault("Not authorized"));

    /// <summary>The password was right and a second step is due. The member <c>code</c> is <c>mfa_required</c>.</summary>
    /// <param name="challenge">To be sent with the second step, within five minutes.</param>
    public static ProblemHttpResult SecondStepRequired(string challenge)
    {
        var problem = Create(401, new Fault("A second step is needed to sign in")).WithCode("mfa_required");
        problem.ProblemDetails.Extensions["challenge"] = challenge;
        return problem;
    }

    /// <summary>A code that is wrong, used already, or given with a challenge that is over.</summary>
    public static ProblemHttpResult InvalidCode() => Create(401, new Fault("Invalid code", "code"));

    /// <summary>
    /// The caller is known, but must first prove again that it's them: at <c>/account/confirm</c>, by <c>POST /api/sessions/current/proof</c>,
    /// or by signing in anew (RFC 9470 section 3). The member <c>code</c> is <c>proof_required</c>.
    /// </summary>
    public static ProblemHttpResult ProofRequired(HttpContext http, TimeSpan maxAge)
    {
        http.Response.Headers.WWWAuthenticate =
            string.Create(CultureInfo.InvariantCulture, $"Bearer error=\"insufficient_user_authentication\", max_age={maxAge.TotalSeconds:0}");
        return Create(401, new Fault("Confirm that it's you, then try again")).WithCode("proof_required");
    }

    /// <summary>The address was changed within the last week, and its former owner may still take the account back. The member <c>code</c> is <c>address_changed</c>.</summary>
    public static ProblemHttpResult AddressChanged() =>
        Create(409, new Fault("The e-mail address was changed within the last week. The account can be deleted once that can no longer be undone.")).WithCode("address_changed");

    /// <summary>Nobody would be left to look after the service. The member <c>code</c> is <c>only_admin</c>.</summary>
    public static ProblemHttpResult OnlyAdmin() => Create(409, new Fault("This is the only admin. Make somebody else one first.")).WithCode("only_admin");

    /// <summary>An admin would take from themself what they do it by. The member <c>code</c> is <c>oneself</c>.</summary>
    public static ProblemHttpResult Oneself() => Create(409, new Fault("This is your own account. Another admin can do it.")).WithCode("oneself");

    /// <summary>A fire drill began a moment ago. The member <c>code</c> is <c>drill_under_way</c>, and <c>drill</c> its id.</summary>
    public static ProblemHttpResult DrillUnderWay(HttpContext http, Guid drill, TimeSpan wait)
    {
        RetryAfter(http, wait);
        var problem = Create(409, new Fault("A fire drill is under way. Look at that one, or begin another in a moment.")).WithCode("drill_under_way");
        problem.ProblemDetails.Extensions["drill"] = drill;
        return problem;
    }

    /// <summary>What is asked for leads into an account that an admin has locked. The member <c>code</c> is <c>account_locked</c>.</summary>
    public static ProblemHttpResult AccountLocked() => Create(409, new Fault("The account is locked. Unlock it first.")).WithCode("account_locked");

    /// <summary>Signing keys rest while <c>Tokens:SharedSecret</c> signs: another next one would change no token. The member <c>code</c> is <c>shared_secret</c>.</summary>
    public static ProblemHttpResult SharedSecretSigns() => Create(409, new Fault("Tokens are signed with Tokens:SharedSecret. There is nothing to rotate until that setting is gone.")).WithCode("shared_secret");

    /// <summary>A person has been sent as many letters as anybody is in an hour. The member <c>code</c> is <c>enough_letters</c>.</summary>
    public static ProblemHttpResult EnoughLetters() => Create(409, new Fault("Three such e-mails have been sent in the past hour. Try again later.")).WithCode("enough_letters");

    public static ProblemHttpResult Forbidden() => Create(403, new Fault("Forbidden"));

    public static ProblemHttpResult CrossOrigin() => Create(403, new Fault("Cross-origin request refused"));

    public static ProblemHttpResult NotFound() => Create(404, new Fault("Not Found"));

    /// <param name="forGood">No wait ends it: whoever came again when they are told to would come for nothing, each time.</param>
    public static ProblemHttpResult TooManyRequests(HttpContext http, TimeSpan wait, bool forGood = false)
    {
        RetryAfter(http, wait);
        return Create(429, new Fault(forGood ? "Too many wrong attempts in a row: trying again later doesn't help. Use another way in." : "Too many attempts. Try again later."));
    }

    /// <summary>Behind the gateway there is a service that nobody has connected: coming again is of no use until an operator has.</summary>
    public static ProblemHttpResult NotConnected() => Create(503, new Fault("This service isn't connected yet."));

    public static ProblemHttpResult Unavailable(HttpContext http, TimeSpan wait)
    {
        RetryAfter(http, wait);
        return Create(503, new Fault("The service is busy. Try again in a moment."));
    }

    /// <summary>For what the framework refuses by status alone (413, 415, 431, 500, …): nothing about the cause leaves the process.</summary>
    public static ProblemHttpResult ForStatus(int status) => Create(status, new Fault(status switch
    {
        400 => "Bad request",
        401 => "Not authorized",
        403 => "Forbidden",
        404 or 405 => "Not Found",
        408 => "The request took too long",
        413 => "The request is too large",
        415 => "Unsupported content type",
        429 => "Too many attempts. Try again later.",
        431 => "The request headers are too large",
        503 => "The service is busy. Try again in a moment.",
        _ => "Something went wrong",
    }));

    private static ProblemHttpResult Create(int status, params IReadOnlyList<Fault> faults) =>
        TypedResults.Problem(new ProblemDetails
        {
            Status = status,
            Title = faults[0].Message,
            Extensions = { ["errors"] = faults },
        });

    private static ProblemHttpResult WithCode(this ProblemHttpResult problem, string code)
    {
        problem.ProblemDetails.Extensions["code"] = code;
        return problem;
    }

    // RFC 9110 section 10.2.3: whole seconds, never zero, so that a client that obeys it isn't early.
    private static void RetryAfter(HttpContext http, TimeSpan wait) =>
        http.Response.Headers.RetryAfter = Math.Max(1, (long)Math.Ceiling(wait.TotalSeconds)).ToString(CultureInfo.InvariantCulture);
}
