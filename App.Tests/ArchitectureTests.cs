using System.Reflection;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Http.Metadata;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace App.Tests;

/// <summary>The house as STYLE describes it. Each failure names the file and what it should do instead.</summary>
public sealed partial class ArchitectureTests
{
    /// <summary>A folder may use only what stands before it; folders on one line don't know each other.</summary>
    private static readonly string[][] Order =
    [
        ["Shared"],
        ["Data"],
        ["Ops", "Ui", "Mail"],
        ["Frame"],
        ["Passwords"],
        ["Audit"],
        ["Events"],
        ["Push"],
        ["Tokens"],
        ["Sessions"],
        ["Factors"],
        ["Accounts"],
        ["Recovery", "Profile"],
        ["OAuth"],
        ["Services"],
        ["Gateway"],
        ["Strategies"],
        ["Connect"],
        ["Admin", "Keys", "Dashboard", "Drill", "Lab"],
    ];

    private const int LongestFile = 250;
    private const int LongestProgram = 60;

    // STYLE says "about twenty".
    private const int MostFilesInASlice = 24;

    private static readonly string AppFolder = Repository.PathOf("App");
    private static readonly Source[] Sources = [.. Source.All(AppFolder)];

    [Fact]
    public void Arrows_point_to_the_foundation() => Assert.Equal([], Sources.SelectMany(StrayArrows));

    [Fact]
    public void A_folder_has_its_place_in_the_order() => Assert.Equal([], Sources
        .Where(s => s.Folder.Length > 0 && !s.IsGenerated && LevelOf(s.Folder) < 0)
        .Select(s => $"{s.Path}: folder {s.Folder} has no place in the order; add it to {nameof(ArchitectureTests)}.{nameof(Order)} with a reason"));

    [Fact]
    public void A_file_lives_in_the_namespace_of_its_folder() => Assert.Equal([], Sources
        .Where(s => s.Folder.Length > 0 && !s.IsGenerated && s.IsCode && s.Namespace != $"App.{s.Folder}")
        .Select(s => $"{s.Path}: declares namespace {s.Namespace ?? "none"}, not App.{s.Folder}"));

    [Fact]
    public void Slices_are_flat() => Assert.Equal([], Sources
        .Where(s => s.Depth > 1 && !s.IsGenerated)
        .Select(s => $"{s.Path}: deeper than App/<Slice>/<File>; split the slice instead"));

    [Fact]
    public void A_slice_that_outgrows_about_twenty_files_is_two() => Assert.Equal([], Sources
        .Where(s => s.Folder.Length > 0 && !s.IsGenerated)
        .GroupBy(s => s.Folder)
        .Where(f => f.Count() > MostFilesInASlice)
        .Select(f => $"App/{f.Key} has {f.Count()} files; split it into two slices"));

    [Fact]
    public void Shared_stays_small() => Assert.InRange(Sources.Count(s => s.Folder == "Shared"), 1, 5);

    [Fact]
    public void A_file_can_be_read_in_one_go() => Assert.Equal([], Sources
        .Where(s => !s.IsGenerated && s.Lines > LongestFile)
        .Select(s => $"{s.Path}: {s.Lines} lines, more than {LongestFile}; give one of its jobs a file"));

    [Fact]
    public void The_program_is_a_table_of_contents() =>
        Assert.InRange(File.ReadAllLines(Path.Combine(AppFolder, "Program.cs")).Length, 1, LongestProgram);

    [Fact]
    public void A_slice_with_routes_has_one_door() => Assert.Equal([], Sources
        .Where(s => s.IsCode && s.Folder.Length > 0 && Door().Matches(s.Text).Any(m => LevelOf(m.Groups["folder"].Value) >= 0))
        .GroupBy(s => s.Folder)
        .SelectMany(f => f.Where(s => s.Name != $"{f.Key}Module.cs"))
        .Select(s => $"{s.Path}: offers Add{s.Folder}/Use{s.Folder}/Map{s.Folder}; that belongs in {s.Folder}Module.cs"));

    [Fact]
    public void A_page_decides_nothing() => Assert.Equal([], Sources
        .Where(s => !s.IsCode)
        .SelectMany(s => Injected().Matches(s.Text).Select(m => $"{s.Path}: injects {m.Groups["type"].Value}; call the slice's verb instead")));

    /// <summary>What a file of the repository says, everybody knows. But for the public vectors, whose key is good for nothing else.</summary>
    [Fact]
    public void No_file_holds_a_private_key() => Assert.Equal(["App.Tests/Tokens/vectors/key.jwk.json"], Repository.Files()
        .Where(f => PrivateKey().IsMatch(f.Text))
        .Select(f => f.Path));

    /// <summary>The validation generator passes over what isn't public, without a word.</summary>
    [Fact]
    public void Request_types_are_public()
    {
        using var app = new RealApp();
        var hidden = app.Services.GetRequiredService<IEnumerable<EndpointDataSource>>()
            .SelectMany(s => s.Endpoints)
            .SelectMany(e => e.Metadata.OfType<IAcceptsMetadata>())
            .Select(a => a.RequestType)
            .Concat(typeof(Program).Assembly.GetTypes().Where(t => t.Name.EndsWith("Request", StringComparison.Ordinal) && t.IsClass))
            .Where(t => t is not null && t.Assembly == typeof(Program).Assembly && !t.IsVisible && t.GetCustomAttribute<System.Runtime.CompilerServices.CompilerGeneratedAttribute>() is null)
            .Select(t => $"{t!.FullName} isn't public, so its validation attributes are skipped")
            .Distinct();

        Assert.Equal([], hidden);
    }

    /// <summary>xunit 2 disposes a test's class only by <see cref="IDisposable"/> or <see cref="IAsyncLifetime"/>; a host that nobody ends goes on working beside the other tests.</summary>
    [Fact]
    public void What_a_test_has_started_ends_with_it() => Assert.Equal([], typeof(ArchitectureTests).Assembly.GetTypes()
        .Where(t => typeof(IAsyncDisposable).IsAssignableFrom(t) && !typeof(IAsyncLifetime).IsAssignableFrom(t) && !typeof(IDisposable).IsAssignableFrom(t))
        .Where(t => t.GetMethods().Any(m => m.IsDefined(typeof(FactAttribute), inherit: true)))
        .Select(t => $"{t.Name} is {nameof(IAsyncDisposable)}, which nobody calls; make it {nameof(IAsyncLifetime)}"));

    private static IEnumerable<string> StrayArrows(Source source)
    {
        if (source.Folder.Length == 0 || LevelOf(source.Folder) < 0) yield break;
        foreach (var used in Reference().Matches(source.Text).Select(m => m.Groups["folder"].Value).Distinct())
        {
            if (used == source.Folder || LevelOf(used) < 0) continue;
            if (LevelOf(used) > LevelOf(source.Folder)) yield return $"{source.Path}: {source.Folder} uses {used}, which stands above it";
            else if (LevelOf(used) == LevelOf(source.Folder)) yield return $"{source.Path}: {source.Folder} uses {used}, its neighbour on the same level";
        }
    }

    private static int LevelOf(string folder) => Array.FindIndex(Order, level => level.Contains(folder));

    // `using App.Tokens`, `@using App.Tokens`, `App.Tokens.KeyRing`, `global::App.Tokens`; not `MyApp.Tokens`.
    [GeneratedRegex(@"(?<![\w.])App\.(?<folder>[A-Z]\w*)")]
    private static partial Regex Reference();

    [GeneratedRegex(@"public static \w+ (Add|Use|Map)(?<folder>[A-Z]\w*)\(this ")]
    private static partial Regex Door();

    [GeneratedRegex(@"(@inject\s+|\[Inject\][^;{]*?)(?<type>(UserManager|SignInManager|RoleManager)<\w+>|\w*Db(Context)?\b|HttpClient|IHttpClientFactory)")]
    private static partial Regex Injected();

    // As PEM, or a JWK's private member.
    [GeneratedRegex("""BEGIN (\w+ )?PRIVATE KEY-----[^"]|"d"\s*:\s*"[\w-]{43}""")]
    private static partial Regex PrivateKey();

    private sealed record Source(string Path, string Folder, int Depth, string Text)
    {
        private static readonly string[] Deep = ["Migrations", "Verifiers", "Snippets", "wwwroot"];

        public string Name => System.IO.Path.GetFileName(Path);
        public bool IsCode => Path.EndsWith(".cs", StringComparison.Ordinal);
        public bool IsGenerated => Path.Split('/').Any(Deep.Contains);
        public int Lines => Text.AsSpan().TrimEnd().Count('\n') + 1;
        public string? Namespace => NamespaceLine().Match(Text) is { Success: true } m ? m.Groups[1].Value : null;

        public static IEnumerable<Source> All(string root) =>
            from pattern in new[] { "*.cs", "*.razor" }
            from file in Directory.EnumerateFiles(root, pattern, SearchOption.AllDirectories)
            let parts = System.IO.Path.GetRelativePath(root, file).Split(System.IO.Path.DirectorySeparatorChar)
            where parts[0] is not ("bin" or "obj")
            select new Source("App/" + string.Join('/', parts), parts.Length > 1 ? parts[0] : "", parts.Length - 1, WithoutComments(File.ReadAllText(file)));

        // What a comment mentions isn't used. The line count must stay, so only the words go.
        private static string WithoutComments(string text) => Comment().Replace(text, "");
    }

    [GeneratedRegex(@"^namespace ([\w.]+)", RegexOptions.Multiline)]
    private static partial Regex NamespaceLine();

    [GeneratedRegex("^[ \t]*//.*$", RegexOptions.Multiline)]
    private static partial Regex Comment();
}
