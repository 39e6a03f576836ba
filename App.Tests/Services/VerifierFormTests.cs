using System.Text.RegularExpressions;

namespace App.Tests.Services;

/// <summary>A verifier is a stranger's to read in one sitting and to own; this keeps each from growing back.</summary>
public sealed partial class VerifierFormTests
{
    private const int Widest = 120;

    [Theory]
    [InlineData("gatehouse.mjs", 199)]
    [InlineData("gatehouse.py", 199)]
    [InlineData("Gatehouse.cs", 199)]
    [InlineData("gatehouse.go", 385)]
    public async Task A_verifier_is_no_longer_and_no_wider_than_it_has_to_be(string file, int most)
    {
        var lines = await File.ReadAllLinesAsync(Repository.PathOf("App", "Services", "Verifiers", file));

        Assert.InRange(lines.Length, 1, most);
        Assert.Equal([], lines.Where(line => line.Replace("\t", "    ", StringComparison.Ordinal).Length > Widest));
    }

    /// <summary>What Go's form costs isn't counted: blank lines, comments, the list of imports, and lines that only close what was opened.</summary>
    [Fact]
    public async Task The_one_for_Go_says_what_the_others_say_in_not_many_more_lines()
    {
        var lines = await File.ReadAllLinesAsync(Repository.PathOf("App", "Services", "Verifiers", "gatehouse.go"));

        Assert.InRange(lines.SkipWhile(line => line != ")").Count(line => !SaysNothing().IsMatch(line)), 1, 232);
    }

    [GeneratedRegex(@"^\s*(//.*|[\])}]+,?)?$")]
    private static partial Regex SaysNothing();
}
