using Microsoft.Playwright;

namespace App.E2E.Harness;

/// <summary>A Chromium for a collection of journeys, and the service that they visit.</summary>
public sealed class Browser : IAsyncLifetime
{
    // Once a run: where it can't be installed, nobody waits for that again.
    private static readonly Lazy<Task<string>> Program = new(FindAsync);

    private IPlaywright? _playwright;
    private IBrowser? _chromium;
    private Service? _service;

    /// <summary>Logs at Debug, so that the search for secrets sees what an operator could ever switch on.</summary>
    internal Service Service => _service!;

    /// <summary>Two who signed up before anybody else: most tokens of theirs are over by the time that somebody needs one that is.</summary>
    internal IReadOnlyList<(Person Person, Credentials Credentials)> Early { get; private set; } = [];

    public async Task InitializeAsync()
    {
        var path = await Program.Value;
        _playwright = await Playwright.CreateAsync();
        Assertions.SetDefaultExpectTimeout(30_000);
        _chromium = await _playwright.Chromium.LaunchAsync(new()
        {
            ExecutablePath = path,
            Headless = true,
            Args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
        });
        // The lab waits until its third service knows too little: on pictures, as long as by default.
        _service = await Service.StartAsync(null, ("Tokens__AccessTokenLifetime", "00:00:05"), ("Logging__LogLevel__Default", "Debug"), ("Lab__StaleAfter", TestRun.Pictures is null ? "00:00:08" : "00:00:15"));
        Early = await Task.WhenAll(new[] { Person.New(), Person.New("bob") }.Select(async person => (person, await _service.Client.SignUpAsync(person))));
    }

    // The headless shell is the same Chromium without a window's worth of code: the journeys take two thirds of the time and of the cores. A check may install it
    // beside a browser that is there; a person's machine is left as it is.
    private static async Task<string> FindAsync()
    {
        string[] shells = [Environment.GetEnvironmentVariable("CHROMIUM_PATH") ?? "", "/usr/lib/chromium/chromium-headless-shell", "chromium-headless-shell"];
        if (Tool.Find(shells) is { } shell) return shell;
        if (Environment.GetEnvironmentVariable("CI") is { Length: > 0 })
        {
            try
            {
                return await Tool.FindOrInstallAsync(shells, ["chromium-headless-shell"]);
            }
            catch (Exception e) when (e is InvalidOperationException or TimeoutException)
            {
            }
        }

        return await Tool.FindOrInstallAsync(["/usr/bin/chromium", "chromium-browser", "google-chrome", "chromium"], ["chromium"]);
    }

    /// <summary>A browser profile of its own: no cookies, no cache.</summary>
    /// <param name="at">The service that its addresses belong to, where that isn't the one of all journeys.</param>
    internal async Task<IBrowserContext> NewProfileAsync(bool script = true, ColorScheme colours = ColorScheme.Light, int width = 1024, string locale = "en-GB", Service? at = null)
    {
        var profile = await _chromium!.NewContextAsync(new()
        {
            BaseURL = (at ?? Service).Address,
            JavaScriptEnabled = script,
            ColorScheme = colours,
            ViewportSize = new() { Width = width, Height = 900 },
            Locale = locale,
        });
        profile.SetDefaultTimeout(60_000);
        return profile;
    }

    public async Task DisposeAsync()
    {
        if (_service is not null) await _service.DisposeAsync();
        if (_chromium is not null) await _chromium.DisposeAsync();
        _playwright?.Dispose();
    }
}

[CollectionDefinition(Name)]
public sealed class InBrowser : ICollectionFixture<Browser>
{
    public const string Name = "In a browser";
}

[CollectionDefinition(Name)]
public sealed class InBrowserToo : ICollectionFixture<Browser>
{
    public const string Name = "In a browser, too";
}
