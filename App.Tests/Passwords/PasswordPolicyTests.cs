using System.ComponentModel.DataAnnotations;
using App.Passwords;
using App.Shared;
using FsCheck.Xunit;

namespace App.Tests.Passwords;

public class PasswordPolicyTests
{
    private const string Email = "ada.lovelace@example.test", Name = "Ada Lovelace";
    private readonly PasswordPolicy policy = new(new PasswordOptions(), new Brand());

    private string? Refusal(string? password, string email = Email, string? name = Name) =>
        policy.Check(password, email, name) is [var fault] ? fault.Message : null;

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("14 characters.")]
    [InlineData("🔐🔑🗝🔓🔒🛡⚔🏰🗡🐉🦄🌋🪄🧙")] // 14 emoji, 28 UTF-16 units
    [InlineData("e\u0301e\u0302e\u0300e\u0308o\u0301o\u0302o\u0300o\u0308u\u0301u\u0302u\u0300u\u0308i\u0301i\u0302")] // 14 letters, 28 as typed
    public void Too_short_is_refused_in_the_courses_words(string? password) =>
        Assert.Equal("Password must be between 15 and 128 characters", Refusal(password));

    [Fact]
    public void The_name_that_stands_on_the_page_is_no_word_of_a_password()
    {
        var theirs = new PasswordPolicy(new PasswordOptions(), new Brand { Name = "Vermilion Two" });
        Assert.NotEmpty(theirs.Check("VermilionVermilion", Email, Name));
        Assert.Empty(policy.Check("VermilionQuagmire7", Email, Name));
        Assert.NotEmpty(theirs.Check("vermilion-vermilion-2026", Email, Name));
    }

    [Fact] // whatever the settings ask for: it would be refused as a field left empty at each sign-in
    public void White_space_alone_is_no_password() =>
        Assert.Equal("Password must be between 4 and 128 characters", Assert.Single(new PasswordPolicy(new PasswordOptions { MinLength = 4, RejectCommon = false }, new Brand()).Check("     ", Email, Name)).Message);

    [Fact]
    public void The_refusal_names_the_field() =>
        Assert.Equal("password", Assert.Single(policy.Check("short", Email, Name)).Field);

    [Fact]
    public void The_bounds_are_inclusive_and_count_characters()
    {
        var unpredictable = string.Concat(Enumerable.Range(0, 128).Select(i => char.ConvertFromUtf32(0x1F300 + (i * 37 % 200))));
        Assert.Null(Refusal(unpredictable));
        Assert.NotNull(Refusal(unpredictable + "x"));
        Assert.Null(Refusal("vK4#rz!Lq8wTnb?"));
    }

    [Theory]
    [InlineData("correct horse battery staple")]
    [InlineData("  pass phrase 🔐 ")]
    [InlineData("purple kettle on the hill")]
    [InlineData("all lower case and no digits")]
    [InlineData("Another-Good-Passphrase")]
    [InlineData("un mot de passe très long")]
    [InlineData("пароль из четырёх слов")]
    [InlineData("我的密码是一个很长的句子没有人知道")]
    [InlineData("835019274650183")]
    [InlineData("hqzvtmwkxjrbplu")]
    [InlineData("violet-orbit-kettle-93")]
    public void No_rule_of_composition_refuses_a_long_enough_one(string password) => Assert.Null(Refusal(password));

    [Theory]
    [InlineData("password1234567")]
    [InlineData("passwordpassword")]
    [InlineData("Password Password!")]
    [InlineData("P@ssw0rdP@ssw0rd")]
    [InlineData("p4ssw0rd83920174652")]
    [InlineData("password-8392-0174")]
    [InlineData("ｐａｓｓｗｏｒｄ１２３４５６７")]
    [InlineData("iloveyou iloveyou")]
    [InlineData("1loveyou20242024")]
    [InlineData("letmein123letmein")]
    [InlineData("sunshine!!!!!!!!!!")]
    [InlineData("aaaaaaaaaaaaaaaaaaaa")]
    [InlineData("abcabcabcabcabcabc")]
    [InlineData("🔐🔐🔐🔐🔐🔐🔐🔐🔐🔐🔐🔐🔐🔐🔐")]
    [InlineData("1234567890123456")]
    [InlineData("987654321098765")]
    [InlineData("abcdefghijklmnopq")]
    [InlineData("qwertyuiopasdfgh")]
    [InlineData("poiuytrewqlkjhgf")]
    [InlineData("1qaz2wsx3edc4rfv")]
    [InlineData("1q2w3e4r5t6y7u8i")]
    [InlineData("zaq12wsxcde34rfv")]
    [InlineData("!@#$%^&*()!@#$%^&*()")]
    [InlineData("leonardodicaprio")]
    [InlineData("The Quick Brown Fox")]
    [InlineData("relationship2024")]
    [InlineData("               ")]
    public void What_is_guessed_first_is_refused_with_advice(string password) =>
        Assert.Contains("unrelated words", Refusal(password), StringComparison.Ordinal);

    [Theory]
    [InlineData("ada.lovelace@example.test")]
    [InlineData("ADA.LOVELACE@EXAMPLE.TEST")]
    [InlineData("ada.lovelace2024!")]
    [InlineData("Ada Lovelace 1815-1852")]
    [InlineData("lovelacelovelace")]
    [InlineData("gatehousegatehouse")]
    [InlineData("Gatehouse1234567")]
    [InlineData("gatehouse-lovelace-1")]
    public void The_person_or_the_site_is_not_a_password(string password) => Assert.NotNull(Refusal(password));

    [Fact]
    public void Every_entry_of_the_list_of_legal_length_is_refused()
    {
        var long15 = CommonPasswords.Read().Where(entry => entry.Length >= 15).ToList();
        Assert.NotEmpty(long15);
        Assert.All(long15, entry => Assert.NotNull(Refusal(entry)));
        Assert.All(long15, entry => Assert.NotNull(Refusal(entry.ToUpperInvariant())));
    }

    [Fact]
    public void The_list_has_at_least_3000_entries_all_lower_case_and_unique()
    {
        var list = CommonPasswords.Read().ToList();
        Assert.True(list.Count >= 3000);
        Assert.Equal(list.Count, list.Distinct(StringComparer.Ordinal).Count());
        Assert.All(list, entry => Assert.Equal(entry.ToLowerInvariant().Trim(), entry));
        Assert.DoesNotContain("correcthorsebatterystaple", list);
    }

    [Theory]
    [InlineData("a perfectly\0fine one")]
    [InlineData("a perfectly fine one\r\n")]
    [InlineData("a perfectly \u001b[31m fine one")]
    [InlineData("a perfectly \u0085 fine one")]
    public void What_nobody_can_type_is_refused(string password) =>
        Assert.Contains("can't be typed", Refusal(password), StringComparison.Ordinal);

    // Not a theory: an attribute is stored as UTF-8 and would turn the half pair into U+FFFD.
    [Fact]
    public void Half_a_surrogate_pair_is_refused()
    {
        What_nobody_can_type_is_refused("a perfectly fine one \ud800");
        What_nobody_can_type_is_refused("\udc00 a perfectly fine one");
    }

    [Fact]
    public void A_megabyte_is_refused_before_any_work() =>
        Assert.Equal("Password must be between 15 and 128 characters", Refusal(new string('é', 1 << 20)));

    [Fact]
    public void The_courses_settings_let_its_suite_through()
    {
        var course = new PasswordPolicy(new PasswordOptions { MinLength = 4, MaxLength = 20, RejectCommon = false }, new Brand());
        Assert.Empty(course.Check("password", "test@test.com", null));
        Assert.Equal("Password must be between 4 and 20 characters", Assert.Single(course.Check("p", "test@test.com", null)).Message);
        Assert.Single(course.Check(new string('x', 21), "test@test.com", null));
    }

    [Fact]
    public void With_a_second_factor_eight_are_enough_and_short_is_not_a_pattern()
    {
        Assert.Empty(policy.Check("hqzvtmwk", Email, Name, hasSecondFactor: true));
        Assert.Single(policy.Check("hqzvtmw", Email, Name, hasSecondFactor: true));
        Assert.Single(policy.Check("password", Email, Name, hasSecondFactor: true));
        Assert.Single(policy.Check("passw0rd1", Email, Name, hasSecondFactor: true));
    }

    [Theory]
    [InlineData(15, 128, 0)]
    [InlineData(4, 20, 0)]
    [InlineData(0, 128, 1)]
    [InlineData(15, 7, 1)]
    [InlineData(15, 4096, 1)]
    [InlineData(21, 20, 1)]
    public void The_bounds_of_the_bounds_are_checked(int min, int max, int faults)
    {
        var options = new PasswordOptions { MinLength = min, MaxLength = max };
        var results = new List<ValidationResult>();
        Validator.TryValidateObject(options, new ValidationContext(options), results, validateAllProperties: true);
        Assert.Equal(faults, results.Count);
    }

    [Property(MaxTest = 1000)]
    public bool Nothing_makes_it_throw(char[] password, char[] email, char[] name) =>
        policy.Check(new string(password).PadRight(15, 'x'), new string(email), new string(name)).Count <= 1;
}
