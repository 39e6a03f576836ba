// One command that asks whether an answer tells who has an account: `dotnet run App.Tests/Performance/Enumeration.cs`.
// On each route that takes an address it sends 200 pairs, one address that has an account and one that has none, in changing order and one at
// a time; it compares the answers byte by byte, but for the address itself and what is random in each answer, and the medians of their times.
// It takes about three minutes and prints a table. What stands behind the command is a word that the routes to look at have in their names.

using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Json;
using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;

const int Pairs = 200, WarmUp = 10;
const string Password = "seven brass lanterns", Wrong = "seven brass candles";
var root = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(Here())!, "..", ".."));
var folder = Directory.CreateDirectory(Path.Combine(Path.GetTempPath(), "gatehouse-enumeration")).FullName;
var data = Directory.CreateDirectory(Path.Combine(folder, $"data-{Guid.NewGuid():N}")).FullName;
using var client = new HttpClient(new SocketsHttpHandler { UseCookies = false, AllowAutoRedirect = false });
var table = new Table();
var (routes, told) = (0, 0);
var cookies = new List<string>();

Console.Error.WriteLine("Publishing …");
var app = Path.Combine(folder, "app");
Run("publish", Path.Combine(root, "App"), "-c", "Release", "-o", app, "--artifacts-path", Path.Combine(folder, "build"), $"-p:NuGetLockFilePath={Path.Combine(folder, "app.lock.json")}", "--nologo", "-v", "quiet");

// Who has an account: a strict mode of sign-up would ask for a letter each.
using (var open = await StartAsync("Open"))
{
    foreach (var number in Enumerable.Range(0, 2 * (WarmUp + Pairs)))
    {
        using var answer = await client.PostAsJsonAsync(open.Address + "/api/users/signup", new { email = number < WarmUp + Pairs ? Known(number) : $"asks{number}@example.test", password = Password });
        cookies.Add(string.Join("; ", answer.EnsureSuccessStatusCode().Headers.GetValues("Set-Cookie").Select(line => line.Split(';')[0])));
    }
}

using (var ours = await StartAsync("ConfirmFirst"))
{
    const string Hash = "0 bytes, medians within 5 %", Letter = "0 bytes, medians within 5 ms";
    await CompareAsync("POST /api/users/signin", Hash, email => Json("/api/users/signin", new { email, password = Wrong }));
    await CompareAsync("POST /api/tokens", Hash, email => Json("/api/tokens", new { email, password = Wrong }));
    await CompareAsync("page /account/sign-in", Hash, email => Form("/account/sign-in", "sign-in", ("email", email), ("password", Wrong)));
    await CompareAsync("POST /api/users/forgot", Letter, email => Json("/api/users/forgot", new { email }));
    await CompareAsync("page /account/forgot", Letter, email => Form("/account/forgot", "forgot", ("email", email)));
    await CompareAsync("POST /api/users/signup, ConfirmFirst", Hash, email => Json("/api/users/signup", new { email, password = Password }));
    await CompareAsync("page /account/sign-up, ConfirmFirst", Hash, email => Form("/account/sign-up", "sign-up", ("email", email), ("password", Password)));

    // Asked for by one who is neither, and no more often than letters are written for them.
    await CompareAsync("POST /api/account/email", Hash, email => As(email, 0, Json("/api/account/email", new { email, password = Password })));
    await CompareAsync("page /account/profile, new e-mail", Hash, email => As(email, WarmUp + Pairs, Form("/account/profile", "email", ("email", email), ("emailPassword", Password))));

    HttpRequestMessage As(string email, int first, HttpRequestMessage request)
    {
        request.Headers.Add("Cookie", cookies[first + ((int.Parse(email.AsSpan(5, 3), CultureInfo.InvariantCulture) + 1) % (WarmUp + Pairs))]);
        return request;
    }

    HttpRequestMessage Json(string path, object body) => new(HttpMethod.Post, ours.Address + path) { Content = JsonContent.Create(body) };

    HttpRequestMessage Form(string path, string name, params (string Name, string Value)[] fields) => new(HttpMethod.Post, ours.Address + path)
    {
        Content = new FormUrlEncodedContent([new("_handler", name), .. fields.Select(field => KeyValuePair.Create(field.Name, field.Value))]),
    };
}

table.Print();
Directory.Delete(data, recursive: true);
return told;

static string Here([CallerFilePath] string path = "") => path;

static string Known(int number) => $"known{number:000}@example.test";

// As long as the others, and asked about once only: a second sign-up would find the first.
static string Unknown(int route, int number) => $"{"abcdefghij"[route]}none{number:000}@example.test";

async Task<Server> StartAsync(string signUp)
{
    var server = new Server(app, "App.dll", ("DataDir", data), ("ASPNETCORE_ENVIRONMENT", "Development"), ("Accounts__SignUp", signUp),
        ("RateLimits__PerAddressPerMinute", "100000"), ("Issuer", "http://gatehouse.test"), ("Tokens__AccessTokenLifetime", "01:00:00"), ("Logging__LogLevel__Default", "Warning"));
    await server.FirstAnswerAsync("/account/sign-in");
    return server;
}

async Task CompareAsync(string name, string target, Func<string, HttpRequestMessage> request)
{
    var route = routes++;
    if (args is [var word] && !name.Contains(word, StringComparison.Ordinal)) return;
    var (known, unknown, different) = (new List<double>(), new List<double>(), 0);
    for (var pair = 0; pair < WarmUp + Pairs; pair++)
    {
        var addresses = new[] { Known(pair), Unknown(route, pair) };
        var answers = new string[2];
        var times = new double[2];
        foreach (var which in Random.Shared.Next(2) == 0 ? new[] { 0, 1 } : [1, 0])
        {
            using var message = request(addresses[which]);
            var start = Stopwatch.GetTimestamp();
            using var answer = await client.SendAsync(message);
            var body = await answer.Content.ReadAsStringAsync();
            times[which] = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
            answers[which] = Plain($"{(int)answer.StatusCode}\n{answer.Headers}{answer.Content.Headers}\n{body}", addresses[which]);
        }

        if (pair < WarmUp) continue;
        known.Add(times[0]);
        unknown.Add(times[1]);
        if (answers[0] == answers[1]) continue;
        told = 1;
        if (different++ == 0) Console.Error.WriteLine($"{answers[0]}\n-- is not --\n{answers[1]}");
    }

    var (a, b) = (Median(known), Median(unknown));
    table.Add(name, string.Create(CultureInfo.InvariantCulture, $"{different} of {Pairs} pairs differ; medians {a:0.00} and {b:0.00} ms, {b - a:+0.00;-0.00} ms = {(b - a) / a * 100:+0.0;-0.0} %"), target);
}

// The address that was sent, the time, and what is random in each answer: seals and challenges of twenty characters or more.
static string Plain(string text, string address)
{
    text = text.Replace(address, "ADDRESS", StringComparison.Ordinal).Replace(address.Replace("@", "%40", StringComparison.Ordinal), "ADDRESS", StringComparison.Ordinal);
    text = Regex.Replace(text, "^Date: .*$", "", RegexOptions.Multiline);
    // Addresses stay: one that differed would tell.
    return Regex.Replace(text, "(?<!(href|action|Location)[=:] ?\"?[^\" \n]*)[A-Za-z0-9+/_=-]{20,}", "RANDOM");
}

static double Median(List<double> times) => times.Order().ElementAt(times.Count / 2);

static void Run(params string[] arguments)
{
    using var process = Process.Start(new ProcessStartInfo("dotnet", arguments) { RedirectStandardOutput = true })!;
    var output = process.StandardOutput.ReadToEnd();
    process.WaitForExit();
    if (process.ExitCode != 0) throw new InvalidOperationException(output);
}
