using System.Net;
using System.Net.Http.Json;
using System.Runtime.CompilerServices;
using System.Text.Json;
using App.Data;
using App.Events;
using App.Tests.Data;
using App.Tests.Push;
using Microsoft.AspNetCore.Components.Server;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Mvc.Testing;
using Microsoft.AspNetCore.SignalR;
using Microsoft.AspNetCore.TestHost;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;

namespace App.Tests;

/// <summary>
/// The whole service on a fresh, migrated database of its own. Time stands still until the test moves it.
/// Two of them may share a database, as replicas do.
/// </summary>
public sealed class TestApp : IAsyncDisposable
{
    public const string Issuer = "https://auth.test";
    public const string Audience = "https://api.test";
    public const string Password = "correct horse battery staple";

    // Migrating takes longer than most tests; each gets a copy of one database that was migrated once.
    private static readonly Lazy<string> Migrated = new(MigrateOnce);

    // Blazor's end of a page's connection, which nobody opens here: pages come alive in browsers (App.E2E). Made ready to work, it is an eighth of what a host costs,
    // as it compiles code for each of its methods.
    private static readonly Type CircuitHub = typeof(HubConnectionHandler<>).MakeGenericType(
        typeof(CircuitOptions).Assembly.GetType("Microsoft.AspNetCore.Components.Server.ComponentHub", throwOnError: true)!);

    private static readonly string[] OnlyBusy = ["SqliteException: SQLite Error 5", "DatabaseBusyException", "HashingBusyException"];

    private readonly string _folder;
    private readonly bool _ownsFolder;
    private readonly WebApplicationFactory<Program> _factory;
    private readonly string? _database; // kept: once it has stopped the service can't be asked
    private WatchedSqlite? _watch;

    private TestApp(string folder, bool ownsFolder, Dictionary<string, string?> settings, DateTimeOffset? at = null)
    {
        (_folder, _ownsFolder) = (folder, ownsFolder);
        if (at is { } now) Time.SetUtcNow(now);
        _factory = new WebApplicationFactory<Program>().WithWebHostBuilder(host =>
        {
            host.UseEnvironment("Development");
            host.UseSetting("DataDir", folder);
            host.UseSetting("Issuer", Issuer);
            host.UseSetting("Tokens:Audience", Audience);
            host.UseSetting("RateLimits:PerAddressPerMinute", "100000");
            // Nothing is made up elsewhere: the key that belongs to the copied database, and TLS.
            if (settings.GetValueOrDefault("environment", "Development") != "Development")
            {
                host.UseSetting("Keys:MasterKey", File.ReadAllText(Path.Combine(folder, "master.key")));
                host.UseSetting("Proxy:TerminatesTls", "true");
                host.UseSetting("Shutdown:Drain", "00:00:00");
            }

            foreach (var (key, value) in settings) host.UseSetting(key, value);
            host.ConfigureTestServices(services =>
            {
                services.Replace(ServiceDescriptor.Singleton<TimeProvider>(Time));
                services.AddSingleton<IInterceptor>(sp => _watch = new WatchedSqlite(sp));
                services.AddSingleton<IInterceptor>(WatchedSqlite.Queries);
                services.AddSingleton(CircuitHub, _ => RuntimeHelpers.GetUninitializedObject(CircuitHub));
            });
            host.ConfigureLogging(logging => logging.AddProvider(Log));
        });
        Client = NewClient();
        _database = ConnectionStringOf(Services);
    }

    public TestClock Time { get; } = new(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));

    public CapturedLog Log { get; } = new();

    /// <summary>The letters that were written.</summary>
    public TestMail Mail => new(this);

    /// <summary>A client that keeps no cookies and follows no redirects: what is sent is what the test says.</summary>
    public HttpClient Client { get; }

    public IServiceProvider Services => _factory.Services;

    public string Folder => _folder;

    public TestServer Server => _factory.Server;

    public static TestApp Start(params (string Key, string? Value)[] settings)
    {
        var folder = Directory.CreateTempSubdirectory("gatehouse-").FullName;
        foreach (var file in Directory.GetFiles(Migrated.Value)) File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));
        return new TestApp(folder, true, settings.ToDictionary(s => s.Key, s => s.Value));
    }

    /// <summary>Another process on the same database, with a clock of its own that shows the same time.</summary>
    public TestApp StartReplica(params (string Key, string? Value)[] settings) => StartReplica(TimeSpan.Zero, settings);

    /// <summary>The same with a clock that goes wrong by <paramref name="ahead"/> while the process starts.</summary>
    public TestApp StartReplica(TimeSpan ahead, params (string Key, string? Value)[] settings)
    {
        var replica = new TestApp(_folder, false, settings.ToDictionary(s => s.Key, s => s.Value), Time.GetUtcNow() + ahead);
        _ = replica.Services;
        replica.Time.AdjustTime(Time.GetUtcNow());
        return replica;
    }

    public HttpClient NewClient() => _factory.CreateClient(new WebApplicationFactoryClientOptions
    {
        AllowAutoRedirect = false,
        HandleCookies = false,
        BaseAddress = new Uri(Issuer),
    });

    public T Get<T>() where T : notnull => Services.GetRequiredService<T>();

    /// <summary>Runs something with services of its own, as a request would.</summary>
    public async Task<T> ScopedAsync<TService, T>(Func<TService, Task<T>> run) where TService : notnull
    {
        await using var scope = Services.CreateAsyncScope();
        return await run(scope.ServiceProvider.GetRequiredService<TService>());
    }

    internal Task<T> DbAsync<T>(Func<AppDb, Task<T>> run) => ScopedAsync(run);

    public async Task<TestUser> SignUpAsync(string? email = null, string password = Password)
    {
        email ??= $"user-{Guid.NewGuid():N}@example.test";
        var answer = await PatientlyAsync(() => Client.PostAsJsonAsync("/api/users/signup", new { email, password }));
        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
        return await TestUser.ReadAsync(this, answer, email, password);
    }

    /// <summary>On a machine that is busy with other tests a write may wait for too long; like any client, ours comes again. Whatever else says 503 is a fault.</summary>
    public async Task<HttpResponseMessage> PatientlyAsync(Func<Task<HttpResponseMessage>> ask)
    {
        var answer = await ask();
        for (var tries = 1; answer is { StatusCode: HttpStatusCode.ServiceUnavailable, Headers.RetryAfter: not null } && tries < 3; tries++)
        {
            Assert.Contains(Log.Lines, line => OnlyBusy.Any(cause => line.Contains("Answered 503: " + cause, StringComparison.Ordinal)));
            answer = await ask();
        }

        return answer;
    }

    /// <summary>A further session of the same person.</summary>
    public async Task<TestUser> SignInAsync(TestUser user)
    {
        var answer = await Client.PostAsJsonAsync("/api/users/signin", new { email = user.Email, password = user.Password });
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        return await TestUser.ReadAsync(this, answer, user.Email, user.Password);
    }

    /// <summary>A page's form as a browser posts it: every field under its name.</summary>
    public Task<HttpResponseMessage> PostFormAsync(string path, string handler, IEnumerable<KeyValuePair<string, string>> fields, string? cookies = null)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, path)
        {
            Content = new FormUrlEncodedContent([new("_handler", handler), .. fields]),
        };
        if (cookies is not null) request.Headers.Add("Cookie", cookies);
        return Client.SendAsync(request);
    }

    public async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, string? bearer = null, string? cookies = null, object? json = null, params (string Name, string Value)[] headers)
    {
        var request = new HttpRequestMessage(method, path);
        if (bearer is not null) request.Headers.TryAddWithoutValidation("Authorization", "Bearer " + bearer);
        if (cookies is not null) request.Headers.TryAddWithoutValidation("Cookie", cookies);
        if (json is not null) request.Content = JsonContent.Create(json);
        foreach (var (name, value) in headers) request.Headers.TryAddWithoutValidation(name, value);
        return await Client.SendAsync(request);
    }

    /// <summary>The e-mail that <c>currentuser</c> names, null for nobody.</summary>
    public async Task<string?> WhoAmIAsync(string? bearer = null, string? cookies = null)
    {
        var answer = await SendAsync(HttpMethod.Get, "/api/users/currentuser", bearer, cookies);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        var user = (await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("currentUser");
        return user.ValueKind == JsonValueKind.Null ? null : user.GetProperty("email").GetString();
    }

    /// <summary>Waits until it can serve: the first host of a process warms up beside its first requests. What was found holds for a second.</summary>
    public Task UntilReadyAsync() => Wait.UntilAsync(async () =>
    {
        Time.Advance(TimeSpan.FromSeconds(1));
        return (await Client.GetAsync("/health/ready")).StatusCode == HttpStatusCode.OK;
    });

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await _factory.DisposeAsync();
        if (_ownsFolder)
        {
            CloseIdleConnections();
            Directory.Delete(_folder, recursive: true);
        }

        if (_watch?.Faults.ToList() is { Count: > 0 } faults) Assert.Fail("SQL Server, the production database, refuses what ran here on SQLite, or pays for it dearly: " + string.Join('\n', faults));
    }

    /// <summary>Closes the connections that rest, so that the next one has to open the file.</summary>
    public void CloseIdleConnections() => CloseIdleConnections(_database);

    /// <summary>Of one database alone: those of a test beside this one would be opened anew at a moment that it doesn't choose.</summary>
    internal static void CloseIdleConnections(string? database)
    {
        if (database is null) return;
        using var connection = new SqliteConnection(database);
        SqliteConnection.ClearPool(connection);
    }

    /// <summary>Null where it isn't SQLite.</summary>
    internal static string? ConnectionStringOf(IServiceProvider services)
    {
        using var scope = services.CreateScope();
        var database = scope.ServiceProvider.GetRequiredService<AppDb>().Database;
        return database.IsSqlite() ? database.GetConnectionString() : null;
    }

    private static string MigrateOnce()
    {
        string? database;
        var folder = Directory.CreateTempSubdirectory("gatehouse-migrated-").FullName;
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Directory.Delete(folder, recursive: true);
        using (var app = new WebApplicationFactory<Program>().WithWebHostBuilder(host =>
        {
            host.UseEnvironment("Development");
            host.UseSetting("DataDir", folder);
        }))
        {
            // It mints no token, and says that it would by another clock than the tests'.
            using var scope = app.Services.CreateScope();
            scope.ServiceProvider.GetRequiredService<AppDb>().TokenLives.ExecuteDelete();
            database = ConnectionStringOf(app.Services);
        }

        CloseIdleConnections(database); // whose log goes with the last of them
        return folder;
    }
}

/// <summary>Somebody who has signed in, with all that they hold.</summary>
public sealed record TestUser(string Email, string Password, Guid Id, string AccessToken, string SessionCookie, string RefreshToken)
{
    /// <summary>The request header a browser would send.</summary>
    public string Cookies => $"session={SessionCookie}; session_refresh={RefreshToken}";

    public Guid SessionId => Guid.Parse(Claims.GetProperty("sid").GetString()!);

    public JsonElement Claims => JsonDocument.Parse(System.Buffers.Text.Base64Url.DecodeFromChars(AccessToken.Split('.')[1])).RootElement;

    public static async Task<TestUser> ReadAsync(TestApp app, HttpResponseMessage answer, string email, string password)
    {
        ArgumentNullException.ThrowIfNull(app);
        var body = await answer.Content.ReadFromJsonAsync<JsonElement>();
        var (session, refresh) = SetCookies(answer);
        return new TestUser(email, password, body.GetProperty("id").GetGuid(), Unwrap(session), session, refresh);
    }

    public static (string Session, string Refresh) SetCookies(HttpResponseMessage answer)
    {
        // After these two it is written down that the device is known (CourseCookieTests).
        var lines = answer.Headers.GetValues("Set-Cookie").Where(line => !line.StartsWith("device=", StringComparison.Ordinal)).ToList();
        Assert.Equal(2, lines.Count);
        return (Value(lines[0], "session="), Value(lines[1], "session_refresh="));
    }

    public static string Unwrap(string sessionCookie) =>
        JsonDocument.Parse(Convert.FromBase64String(sessionCookie)).RootElement.GetProperty("jwt").GetString()!;

    private static string Value(string line, string prefix)
    {
        Assert.StartsWith(prefix, line, StringComparison.Ordinal);
        return line[prefix.Length..line.IndexOf(';', StringComparison.Ordinal)];
    }
}

/// <summary>Everything that was logged, as text, to look for what must not be in it.</summary>
public sealed class CapturedLog : ILoggerProvider
{
    private readonly System.Collections.Concurrent.ConcurrentQueue<string> _lines = new();

    public IReadOnlyCollection<string> Lines => _lines;

    public ILogger CreateLogger(string categoryName) => new Writer(this, categoryName);

    public void Dispose()
    {
    }

    private sealed class Writer(CapturedLog log, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            log._lines.Enqueue($"{logLevel} {category} {eventId.Id} {formatter(state, exception)} {exception}");
    }
}
