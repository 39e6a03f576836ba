using System.Net;
using System.Text;
using System.Text.Json;
using App.Tests.Attacks;

namespace App.Tests.Accounts;

/// <summary>What goes wrong at the course API, in its own words (contract section 4, "The course API, exactly"). ATTACKS, group IN.</summary>
public sealed class CourseInputTests(OneApp fixture) : IClassFixture<OneApp>
{
    private const string EmailFault = "Email must be valid / email";
    private const string LengthFault = "Password must be between 15 and 128 characters / password";
    private const string BlankFault = "You must supply a password / password";
    private const string SignUp = "/api/users/signup", SignIn = "/api/users/signin";

    private readonly TestApp _app = fixture.App;

    public static TheoryData<string?, string?> NoBody => new()
    {
        { null, null },
        { "", "application/json" },
        { "{}", "application/json" },
        { "[]", "application/json" },
        { """[{"email":"a@example.test","password":"correct horse battery staple"}]""", "application/json" },
        { "email=a%40example.test&password=correct+horse+battery+staple", "application/x-www-form-urlencoded" },
        { """{"email":"a@example.test","password":"correct horse battery staple"}""", "text/plain" },
        { """{"email":"a@example.test","password":"correct horse battery staple"}""", "text/plain;charset=UTF-8" },
        { """{"email":"a@example.test","password":"correct horse battery staple"}""", null },
        { """{"email":"a@example.test","password":"correct horse battery staple"}""", "application/jsonx" },
        { """{"email":"a@example.test","password":"correct horse battery staple"}""", "nonsense" },
        { """{"email":"a@example.test","password":"correct horse battery staple"}""", "application/json; charset=utf-7" },
        { """{"email":"a@example.test","password":"correct horse battery staple"}""", "application/json; charset=\"zzz\"" },
        { """{"email":"a@example.test","password":"correct horse battery staple"}""", "application/json; charset=utf-16" },
        { """{"email":"a@example.test","password":"correct horse battery staple"}""", "application/json; charset=iso-8859-1" },
        { "<user><email>a@example.test</email></user>", "application/xml" },
        { "--b\r\nContent-Disposition: form-data; name=\"email\"\r\n\r\na@example.test\r\n--b--\r\n", "multipart/form-data; boundary=b" },
    };

    [Theory] // ATTACKS 61, 77: the contract wants the two errors where others answer 415
    [MemberData(nameof(NoBody))]
    public async Task What_is_no_json_object_gives_both_errors_the_email_first(string? body, string? type)
    {
        await Answers.AssertProblemAsync(await _app.PostTextAsync(SignUp, body, type), 400, EmailFault, LengthFault);
        await Answers.AssertProblemAsync(await _app.PostTextAsync(SignIn, body, type), 400, EmailFault, BlankFault);
    }

    [Theory]
    [InlineData("UTF-8")]
    [InlineData("\"utf-8\"")]
    [InlineData("us-ascii")]
    public async Task Json_may_say_that_it_is_what_json_always_is(string charset)
    {
        var answer = await _app.PostTextAsync(SignIn, """{"email":"nobody@example.test","password":"correct horse battery staple"}""", "application/json; charset=" + charset);
        await Answers.AssertProblemAsync(answer, 400, "Invalid credentials");
    }

    [Theory] // ATTACKS 61
    [InlineData("""{"email":1,"password":true}""")]
    [InlineData("""{"email":null,"password":null}""")]
    [InlineData("""{"email":["a@example.test"],"password":["correct horse battery staple"]}""")]
    [InlineData("""{"email":{"$ne":null},"password":{"$gt":""}}""")]
    [InlineData("""{"Email":"a@example.test","PASSWORD":"correct horse battery staple"}""")]
    [InlineData("""{"email":"","password":""}""")]
    [InlineData("""{"email":"\ud800@example.test","password":"\udc00"}""")]
    public async Task A_member_of_the_wrong_type_is_a_member_that_is_not_there(string body)
    {
        await Answers.AssertProblemAsync(await _app.PostTextAsync(SignUp, body), 400, EmailFault, LengthFault);
        await Answers.AssertProblemAsync(await _app.PostTextAsync(SignIn, body), 400, EmailFault, BlankFault);
    }

    [Theory]
    [InlineData("{")]
    [InlineData("{\"email\":\"a@example.test\",}")]
    [InlineData("{'email':'a@example.test'}")]
    [InlineData("{}{}")]
    [InlineData("{} x")]
    [InlineData("\"x\"")]
    [InlineData("null")]
    [InlineData("1")]
    [InlineData("true")]
    [InlineData("undefined")]
    [InlineData("{\"email\":\"a\nb\"}")]
    [InlineData("{\"\\ud800\":1}")]
    [InlineData("// {}\n{}")]
    [InlineData("\0")]
    public async Task Malformed_json_is_400(string body)
    {
        foreach (var path in new[] { SignUp, SignIn }) await Answers.AssertProblemAsync(await _app.PostTextAsync(path, body), 400, "Malformed JSON");
    }

    [Theory] // RFC 8259 section 8.1: many an encoder writes one without being asked
    [InlineData(SignIn, 400)]
    [InlineData("/api/tokens", 401)]
    public async Task A_byte_order_mark_before_the_json_is_no_part_of_it(string path, int status)
    {
        const string mark = "\uFEFF";
        await Answers.AssertProblemAsync(await _app.PostTextAsync(path, mark + """{"email":"nobody@example.test","password":"correct horse battery staple"}"""), status, "Invalid credentials");
        Assert.Equal(400, (int)(await _app.PostTextAsync(path, mark + mark + "{}")).StatusCode);
        if (path == SignIn) await Answers.AssertProblemAsync(await _app.PostTextAsync(path, mark), 400, EmailFault, BlankFault);
    }

    [Theory] // ATTACKS 75
    [InlineData("""{"email":"a@example.test","email":"b@example.test","password":"correct horse battery staple"}""")]
    [InlineData("""{"email":"a@example.test","\u0065mail":"b@example.test","password":"correct horse battery staple"}""")]
    [InlineData("""{"email":"a@example.test","password":"correct horse battery staple","x":{"y":1,"y":2}}""")]
    public async Task A_member_given_twice_is_malformed(string body)
    {
        foreach (var path in new[] { SignUp, SignIn }) await Answers.AssertProblemAsync(await _app.PostTextAsync(path, body), 400, "Malformed JSON");
    }

    [Fact] // ATTACKS 74
    public async Task Ten_thousand_brackets_are_malformed_and_no_stack_overflows()
    {
        foreach (var path in new[] { SignUp, SignIn })
            await Answers.AssertProblemAsync(await _app.PostTextAsync(path, "{\"email\":" + new string('[', 10_000)), 400, "Malformed JSON");
    }

    [Fact]
    public async Task Bytes_that_are_no_utf8_are_no_text()
    {
        byte[] body = [.. "{\"email\":\"a"u8, 0xff, 0xfe, .. "@example.test\",\"password\":\"x\"}"u8];
        using var content = new ByteArrayContent(body);
        content.Headers.ContentType = new("application/json");
        await Answers.AssertProblemAsync(await _app.Client.PostAsync(SignIn, content), 400, EmailFault);
    }

    [Theory] // ATTACKS 62, 66, 71
    [InlineData("a")]
    [InlineData("a@")]
    [InlineData("@b")]
    [InlineData("a b@x.test")]
    [InlineData("a@x")]
    [InlineData("a@[127.0.0.1]")]
    [InlineData("\"a\"@x.test")]
    [InlineData("\"a\r\nBcc: x\"@x.test")]
    [InlineData("a@x.test,b@x.test")]
    [InlineData("a@x.test%0aCc:b@x.test")]
    [InlineData("a\0b@x.test")]
    [InlineData("a\u001b[31m@x.test")]
    [InlineData("a\ufffe@x.test")]
    [InlineData("a@\ufffex.test")]
    [InlineData("' OR 1=1--")]
    [InlineData("*)(uid=*")]
    [InlineData("%")]
    [InlineData(" user@x.test")] // ATTACKS 65: never trimmed
    [InlineData("user@x.test ")]
    [InlineData("us\u200ber@x.test")]
    [InlineData("us\u00a0er@x.test")]
    [InlineData("a\uff20x.test")]
    [InlineData("a@b@x.test")]
    public async Task What_is_no_address_is_refused_by_the_email_alone_and_changes_nothing(string email)
    {
        var before = await State.OfAsync(_app);
        await Answers.AssertProblemAsync(await _app.PostTextAsync(SignUp, Body(email, TestApp.Password)), 400, EmailFault);
        await Answers.AssertProblemAsync(await _app.PostTextAsync(SignIn, Body(email, TestApp.Password)), 400, EmailFault);
        Assert.Equal(before, await State.OfAsync(_app));
    }

    [Fact]
    public async Task An_address_of_320_characters_is_none() =>
        await Answers.AssertProblemAsync(await _app.PostTextAsync(SignUp, Body(new string('a', 312) + "@x.test", TestApp.Password)), 400, EmailFault);

    [Theory] // ATTACKS 66
    [InlineData("\0")]
    [InlineData("\u001b[31m")]
    [InlineData("\ufffe")]
    [InlineData("a\u0085b")]
    public async Task A_name_that_is_no_text_is_refused_by_field(string name)
    {
        // One of white space alone is no name at all; all of these are more than that.
        await Answers.AssertProblemAsync(await _app.PostTextAsync(SignUp, Body(Fresh(), TestApp.Password, name)), 400, "Name must be at most 200 characters of text / name");
    }

    [Theory]
    [InlineData("5")]
    [InlineData("true")]
    [InlineData("""["Ada"]""")]
    [InlineData("""{"first":"Ada"}""")]
    [InlineData(@"""\ud800""")]
    public async Task Nor_is_one_of_the_wrong_type_dropped_in_silence(string name)
    {
        const string nameFault = "Name must be at most 200 characters of text / name";
        await Answers.AssertProblemAsync(await _app.PostTextAsync(SignUp, $$"""{"email":"{{Fresh()}}","password":"{{TestApp.Password}}","name":{{name}}}"""), 400, nameFault);
        await Answers.AssertProblemAsync(await _app.PostTextAsync(SignUp, $$"""{"name":{{name}}}"""), 400, EmailFault, LengthFault, nameFault);
    }

    [Theory]
    [InlineData("null")]
    [InlineData("\"\"")]
    [InlineData("\" \"")]
    public async Task No_name_may_be_said_in_several_ways(string name) =>
        Assert.Equal(HttpStatusCode.Created, (await _app.PostTextAsync(SignUp, $$"""{"email":"{{Fresh()}}","password":"{{TestApp.Password}}","name":{{name}}}""")).StatusCode);

    [Fact]
    public async Task A_name_of_200_characters_is_kept_in_one_composition_and_one_more_is_refused()
    {
        var email = Fresh();
        Assert.Equal(HttpStatusCode.Created, (await _app.PostTextAsync(SignUp, Body(email, TestApp.Password, " Jose\u0301 "))).StatusCode);
        Assert.Equal("Jos\u00e9", (await _app.DbAsync(db => Task.FromResult(db.Users.Single(u => u.Email == email)))).Name);
        Assert.Equal(HttpStatusCode.Created, (await _app.PostTextAsync(SignUp, Body(Fresh(), TestApp.Password, new string('x', 200)))).StatusCode);
        Assert.Equal(HttpStatusCode.BadRequest, (await _app.PostTextAsync(SignUp, Body(Fresh(), TestApp.Password, new string('x', 201)))).StatusCode);
        // Becomes 400 characters when composed.
        Assert.Equal(HttpStatusCode.BadRequest, (await _app.PostTextAsync(SignUp, Body(Fresh(), TestApp.Password, new string('\u0958', 200)))).StatusCode);
    }

    [Fact] // ATTACKS 63, 84: the contract says what a taken address is told
    public async Task A_taken_address_in_any_case_is_in_use_names_no_field_sets_no_cookie_and_changes_nothing()
    {
        var user = await _app.SignUpAsync();
        var before = await State.OfAsync(_app);
        foreach (var email in new[] { user.Email, user.Email.ToUpperInvariant(), "U" + user.Email[1..] })
        {
            var answer = await _app.PostTextAsync(SignUp, Body(email, TestApp.Password));
            await Answers.AssertProblemAsync(answer, 400, "Email in use");
            Assert.Empty(Answers.CookieLines(answer));
        }

        Assert.Equal(before, await State.OfAsync(_app));
    }

    [Fact]
    public async Task A_race_for_one_address_has_one_winner_and_only_losers_that_read_in_use()
    {
        var email = Fresh();
        var answers = await Task.WhenAll(Enumerable.Range(0, 12).Select(i => _app.PostTextAsync(SignUp, Body(i % 2 == 0 ? email : email.ToUpperInvariant(), TestApp.Password))));
        Assert.Single(answers, a => a.StatusCode == HttpStatusCode.Created);
        foreach (var lost in answers.Where(a => a.StatusCode != HttpStatusCode.Created)) await Answers.AssertProblemAsync(lost, 400, "Email in use");
    }

    [Fact] // ATTACKS 81
    public async Task A_wrong_password_and_an_unknown_address_read_the_same_name_no_field_and_set_no_cookie()
    {
        var user = await _app.SignUpAsync();
        var before = await State.OfAsync(_app, "Audit", "sqlite_sequence");
        foreach (var email in new[] { user.Email, Fresh() })
        {
            var answer = await _app.PostTextAsync(SignIn, Body(email, "not the password of anybody"));
            await Answers.AssertProblemAsync(answer, 400, "Invalid credentials");
            Assert.Empty(Answers.CookieLines(answer));
        }

        Assert.Equal(before, await State.OfAsync(_app, "Audit", "sqlite_sequence"));
    }

    [Fact]
    public async Task A_failed_try_sets_no_cookie_and_leaves_the_session_one_came_with()
    {
        var user = await _app.SignUpAsync();
        foreach (var (path, body) in new[] { (SignUp, "{}"), (SignUp, Body(user.Email, TestApp.Password)), (SignIn, "{"), (SignIn, Body(user.Email, "wrong password altogether")) })
        {
            var answer = await _app.PostTextAsync(path, body, "application/json", ("Cookie", user.Cookies));
            Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
            Assert.Empty(Answers.CookieLines(answer));
        }

        Assert.Equal(user.Email, await _app.WhoAmIAsync(cookies: user.Cookies));
    }

    [Theory] // ATTACKS 153
    [InlineData("\"roles\":[\"admin\"]")]
    [InlineData("\"isAdmin\":true,\"claims\":{\"roles\":[\"admin\"]},\"permissions\":[\"*\"]")]
    [InlineData("\"emailConfirmed\":true,\"email_verified\":true,\"EmailConfirmed\":true")]
    [InlineData("\"id\":\"11111111-1111-4111-8111-111111111111\",\"tenant\":\"root\",\"__proto__\":{\"roles\":[\"admin\"]}")]
    public async Task What_a_stranger_says_of_themselves_beyond_the_form_is_ignored(string members)
    {
        var email = Fresh();
        var answer = await _app.PostTextAsync(SignUp, $$"""{"email":"{{email}}","password":"{{TestApp.Password}}",{{members}}}""");
        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
        var user = await TestUser.ReadAsync(_app, answer, email, TestApp.Password);

        Assert.False(user.Claims.TryGetProperty("roles", out _));
        Assert.False(user.Claims.GetProperty("email_verified").GetBoolean());
        Assert.NotEqual(Guid.Parse("11111111-1111-4111-8111-111111111111"), user.Id);
        Assert.Equal(0, await _app.DbAsync(db => Task.FromResult(db.UserRoles.Count())));
    }

    [Theory]
    [InlineData("application/json; charset=utf-8")]
    [InlineData("Application/JSON")]
    [InlineData("application/json;charset=UTF-8;x=y")]
    public async Task The_spelling_of_the_content_type_does_not_matter(string type) =>
        Assert.Equal(HttpStatusCode.Created, (await _app.PostTextAsync(SignUp, Body(Fresh(), TestApp.Password), type)).StatusCode);

    private static string Fresh() => $"user-{Guid.NewGuid():N}@example.test";

    private static string Body(string email, string password, string? name = null) => Encoding.UTF8.GetString(name is null
        ? JsonSerializer.SerializeToUtf8Bytes(new { email, password })
        : JsonSerializer.SerializeToUtf8Bytes(new { email, password, name }));
}
