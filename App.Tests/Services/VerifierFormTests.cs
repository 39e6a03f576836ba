namespace App.Tests.Services;

/// <summary>A verifier is a stranger's to read in one sitting and to own; this keeps each from growing back.</summary>
public sealed class VerifierFormTests
{
    private const int Widest = 120;

    [Theory]
    [InlineData("gatehouse.mjs", 199)]
    [InlineData("gatehouse.py", 199)]
    [InlineData("Gatehouse.cs", 199)]
    [InlineData("gatehouse.go", 450)]
    public async Task A_verifier_is_no_longer_and_no_wider_than_it_has_to_be(string file, int most)
    {
        var lines = await File.ReadAllLinesAsync(Repository.PathOf("App", "Services", "Verifiers", file));

        Assert.InRange(lines.Length, 1, most);
        Assert.Equal([], lines.Where(line => line.Replace("\t", "    ", StringComparison.Ordinal).Length > Widest));
    }
}
