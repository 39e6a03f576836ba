using System.ComponentModel;
using System.ComponentModel.DataAnnotations;

namespace App.Ui;

/// <summary>Whose pages people come from to sign in, and are led back to (section <c>Gateway</c>).</summary>
public sealed class ReturnOrigins : IValidatableObject
{
    [Description("Origins of services behind a gateway, such as `https://shop.example.com`, to which sign-in may lead back. Paths of our own need no mention.")]
    public string[] AllowedOrigins { get; set; } = [];

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext) => AllowedOrigins
        .Where(o => !Uri.TryCreate(o, UriKind.Absolute, out var uri) || uri.Scheme is not ("http" or "https") || uri.GetLeftPart(UriPartial.Authority) != o)
        .Select(o => new ValidationResult($"has \"{o}\", which isn't an origin as browsers write it; give scheme, host and port only, in lower case, such as https://shop.example.com", [nameof(AllowedOrigins)]));
}
