using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using App.Ops;

namespace App.Tests.Ops;

/// <summary>
/// appsettings.json and the README tell what the options classes say.
/// <c>UPDATE_README=1 dotnet test App.Tests --filter SettingsFiles</c> writes both anew.
/// </summary>
public sealed class SettingsFilesTests : IClassFixture<SettingsFilesTests.Catalogue>
{
    private const string Cure = "Run: UPDATE_README=1 dotnet test App.Tests --filter SettingsFiles";
    private const string Begin = "<!-- settings:begin -->";
    private const string End = "<!-- settings:end -->";
    private static readonly bool Update = Environment.GetEnvironmentVariable("UPDATE_README") == "1";
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private readonly IReadOnlyList<Setting> settings;

    public SettingsFilesTests(Catalogue catalogue) => settings = catalogue.Settings;

    [Fact]
    public void Every_setting_stands_in_appsettings_json_with_its_default()
    {
        var path = Repository.PathOf("appsettings.json");
        var given = JsonNode.Parse(File.ReadAllText(path))!.AsObject();

        // What the framework reads for itself isn't ours to catalogue.
        var wanted = Defaults();
        if (given["Logging"] is { } logging) wanted["Logging"] = logging.DeepClone();

        if (Update) File.WriteAllText(path, wanted.ToJsonString(Indented) + "\n");
        else Assert.True(JsonNode.DeepEquals(given, wanted), $"appsettings.json isn't what the options classes say: {Difference(given, wanted)}. {Cure}");
    }

    [Fact]
    public void The_README_lists_every_setting()
    {
        var path = Repository.PathOf("README.md");
        var given = File.ReadAllText(path);
        var (begin, end) = (given.IndexOf(Begin, StringComparison.Ordinal), given.IndexOf(End, StringComparison.Ordinal));
        Assert.True(begin >= 0 && end > begin, $"README.md lacks the markers {Begin} and {End}.");

        var wanted = string.Concat(given.AsSpan(0, begin + Begin.Length), "\n", Table(), given.AsSpan(end));
        if (Update) File.WriteAllText(path, wanted);
        else Assert.True(given == wanted, $"The settings table of README.md is out of date. {Cure}");
    }

    [Fact]
    public void Every_setting_says_what_it_means() =>
        Assert.Equal([], settings.Where(s => s.Meaning.Length == 0).Select(s => $"{s.Key} has no [Description]"));

    /// <summary>Sources are left out: in those of the tests, secrets are made up.</summary>
    [Fact]
    public void No_file_gives_a_secret_a_value()
    {
        var secrets = settings.Where(s => s.Secret).Select(s => s.Key).ToList();
        Assert.Contains("Keys:MasterKey", secrets);
        // In JSON and YAML by its own name, elsewhere by its whole one; those of services stand in a list.
        var names = string.Join('|', secrets.Select(key => key.Replace(":", "(:|__)", StringComparison.Ordinal))
            .Concat(secrets.Select(key => key.Split(':')[^1]).Where(name => name != "Default")).Append("(Old|Push)?Secret"));
        Assert.Equal([], Repository.Files()
            .Where(f => !f.Path.EndsWith(".cs", StringComparison.Ordinal) && !f.Path.EndsWith(".razor", StringComparison.Ordinal))
            .SelectMany(f => Regex.Matches(f.Text, $$"""\b({{names}})"?\s*[:=]\s*["']?[\w+/=;!-]{8,}""").Select(m => $"{f.Path}: {m.Value}")));
    }

    private JsonObject Defaults()
    {
        var root = new JsonObject();
        foreach (var setting in settings)
        {
            var at = root;
            var steps = setting.Key.Split(':');
            foreach (var step in steps[..^1]) at = (JsonObject)(at[step] ??= new JsonObject());
            at[steps[^1]] = setting.Secret ? null : ValueOf(setting);
        }

        return root;
    }

    private static JsonNode? ValueOf(Setting setting) => setting.Default switch
    {
        null when SettingsCatalogue.IsTable(setting.Type) => new JsonObject(),
        null when SettingsCatalogue.ElementOf(setting.Type) is not null => new JsonArray(),
        null => null,
        bool b => b,
        int i => i,
        long l => l,
        double d => d,
        string s => s,
        System.Collections.IDictionary => new JsonObject(),
        System.Collections.IEnumerable list => new JsonArray([.. list.Cast<object>().Select(o => (JsonNode?)SettingsCatalogue.Text(o))]),
        var other => SettingsCatalogue.Text(other),
    };

    private string Table()
    {
        var table = new StringBuilder("| Setting | Default | Bounds | Meaning |\n|---|---|---|---|\n");
        foreach (var s in settings)
        {
            var initial = s.Secret ? "none, secret" : SettingsCatalogue.Text(s.Default) is { Length: > 0 } text ? $"`{text}`" : "none";
            table.Append(null, $"| `{s.Key}` | {initial} | {Cell(s.Bounds)} | {Cell(s.Meaning)} |\n");
        }

        return table.ToString();
    }

    private static string Cell(string text) => text.ReplaceLineEndings(" ").Replace("|", "\\|", StringComparison.Ordinal);

    private static string Difference(JsonObject given, JsonObject wanted)
    {
        var (have, want) = (Flat(given).ToHashSet(), Flat(wanted).ToHashSet());
        return $"missing {string.Join(", ", want.Except(have))}; unknown or different {string.Join(", ", have.Except(want))}";
    }

    private static IEnumerable<string> Flat(JsonNode? node, string path = "") => node is JsonObject { Count: > 0 } o
        ? o.SelectMany(p => Flat(p.Value, path.Length == 0 ? p.Key : $"{path}:{p.Key}"))
        : [$"{path}={node?.ToJsonString() ?? "null"}"];

    /// <summary>The settings of the real program, every slice included.</summary>
    public sealed class Catalogue
    {
        public Catalogue()
        {
            using var app = new RealApp();
            Settings = SettingsCatalogue.Of(app.Services);
        }

        internal IReadOnlyList<Setting> Settings { get; }
    }
}
