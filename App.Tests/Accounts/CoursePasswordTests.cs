using System.Net;
using System.Text;
using System.Text.Json;
using App.Tests.Attacks;

namespace App.Tests.Accounts;

/// <summary>Passwords at the course API: bounds in force, exactness, and what nobody should choose (contract section 4). ATTACKS 66-70.</summary>
public sealed class CoursePasswordTests(OneApp fixture) : IClassFixture<OneApp>
{
    private const string EmailFault = "Email must be valid / email";
    private const string LengthFault = "Password must be between 15 and 128 characters / password";
    private const string BlankFault = "You must supply a password / password";
    private const string SignUp = "/api/users/signup", SignIn = "/api/users/signin";

    private readonly TestApp _app = fixture.App;

    [Theory] // ATTACKS 66
    [InlineData("a\0b is a long enough password")]
    [InlineData("\ufffe\ufffe\ufffe\ufffe\ufffe\ufffe\ufffe\ufffe\ufffe\ufffe\ufffe\ufffe\ufffe\ufffe\ufffe\ufffe")]
    public async Task A_password_that_nobody_can_type_is_refused_and_at_sign_in_just_wrong(string password)
    {
        var problem = await Answers.AssertProblemAsync(await _app.PostTextAsync(SignUp, Body(Fresh(), password)), 400);
        Assert.Equal("password", problem.GetProperty("errors")[0].GetProperty("field").GetString());
        await Answers.AssertProblemAsync(await _app.PostTextAsync(SignIn, Body(Fresh(), password)), 400, "Invalid credentials");
    }

    [Theory]
    [InlineData("")]
    [InlineData(" ")]
    [InlineData("\t \n")]
    public async Task A_blank_password_at_sign_in_is_asked_for(string password) =>
        await Answers.AssertProblemAsync(await _app.PostTextAsync(SignIn, Body("a@example.test", password)), 400, BlankFault);

    [Theory]
    [InlineData(14)]
    [InlineData(129)]
    [InlineData(1024)]
    [InlineData(60_000)] // ATTACKS 68
    public async Task A_password_outside_the_bounds_is_refused_in_the_courses_words(int length) =>
        await Answers.AssertProblemAsync(await _app.PostTextAsync(SignUp, Body(Fresh(), new string('x', length))), 400, LengthFault);

    [Theory] // ATTACKS 70
    [InlineData("password1234567")]
    [InlineData("gatehousegatehouse")]
    [InlineData("weak.password@example.test")]
    public async Task A_password_that_is_guessed_first_is_refused_with_a_reason(string password)
    {
        var problem = await Answers.AssertProblemAsync(await _app.PostTextAsync(SignUp, Body("weak.password@example.test", password)), 400);
        Assert.Equal("password", Assert.Single(problem.GetProperty("errors").EnumerateArray()).GetProperty("field").GetString());
    }

    [Fact] // ATTACKS 67
    public async Task Only_the_exact_password_signs_in()
    {
        const string password = "  pass phrase 🔐 ";
        var user = await _app.SignUpAsync(Fresh(), password);
        foreach (var other in new[] { password.Trim(), password.ToUpperInvariant(), password[..^1], password + " ", password.Replace("🔐", "🔑", StringComparison.Ordinal) })
            await Answers.AssertProblemAsync(await _app.PostTextAsync(SignIn, Body(user.Email, other)), 400, "Invalid credentials");
        Assert.Equal(HttpStatusCode.OK, (await _app.PostTextAsync(SignIn, Body(user.Email, password))).StatusCode);
    }

    [Fact] // ATTACKS 67: no cut at 72 bytes, one password however an accent is composed
    public async Task Every_character_counts_and_composition_does_not()
    {
        var unpredictable = string.Concat(Enumerable.Range(0, 100).Select(i => (char)('a' + (i * i * 7 % 26))));
        var user = await _app.SignUpAsync(Fresh(), unpredictable + "é");
        await Answers.AssertProblemAsync(await _app.PostTextAsync(SignIn, Body(user.Email, unpredictable + "e")), 400, "Invalid credentials");
        await Answers.AssertProblemAsync(await _app.PostTextAsync(SignIn, Body(user.Email, unpredictable[..72])), 400, "Invalid credentials");
        Assert.Equal(HttpStatusCode.OK, (await _app.PostTextAsync(SignIn, Body(user.Email, unpredictable + "e\u0301"))).StatusCode);
    }

    [Fact]
    public async Task Other_bounds_are_said_as_they_are_and_common_passwords_pass_where_they_may()
    {
        await using var course = TestApp.Start(("Passwords:MinLength", "4"), ("Passwords:MaxLength", "20"), ("Passwords:RejectCommon", "false"));
        foreach (var password in new[] { "abc", new string('x', 21), "" })
            await Answers.AssertProblemAsync(await course.PostTextAsync(SignUp, Body("a@example.test", password)), 400, "Password must be between 4 and 20 characters / password");
        await Answers.AssertProblemAsync(await course.PostTextAsync(SignUp, "{}"), 400, EmailFault, "Password must be between 4 and 20 characters / password");

        await course.SignUpAsync("test@test.com", "password");
        await course.SignUpAsync("four@test.com", "1234");
        await course.SignUpAsync("twenty@test.com", new string('p', 20));
    }

    private static string Fresh() => $"user-{Guid.NewGuid():N}@example.test";

    private static string Body(string email, string password) => Encoding.UTF8.GetString(JsonSerializer.SerializeToUtf8Bytes(new { email, password }));
}
