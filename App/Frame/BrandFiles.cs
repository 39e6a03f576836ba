using System.Text;
using App.Ops;

namespace App.Frame;

/// <summary>The brand's colours and picture, where the settings give some: two small files of our own, so that the content security policy stays as strict as it is.</summary>
internal static class BrandFiles
{
    public const string Sheet = "/brand.css", Logo = "/brand-logo";

    // Whoever opens the picture by itself sees it, and nothing in it runs or loads anything.
    private const string Inert = "default-src 'none'; style-src 'unsafe-inline'; sandbox";

    extension(Brand brand)
    {
        /// <summary>Whether there is anything to link.</summary>
        public bool IsDressed => brand.Logo is not null || brand.Accent is not null;
    }

    public static void Map(IEndpointRouteBuilder app)
    {
        var brand = app.ServiceProvider.GetRequiredService<Brand>();
        if (!brand.IsDressed) return;
        var sheet = new PublishedDocument(Encoding.ASCII.GetBytes(Style(brand)), "text/css");
        SameForEverybody.On(app.MapGet(Sheet, () => sheet).AllowAnonymous().ExcludeFromDescription(), app.ServiceProvider);
        if (brand.Logo is null) return;
        var file = File.ReadAllBytes(brand.Logo);
        var logo = new PublishedDocument(file, Brand.LogoType(file)!);
        SameForEverybody.On(app.MapGet(Logo, Show).AllowAnonymous().ExcludeFromDescription(), app.ServiceProvider);

        PublishedDocument Show(HttpContext http)
        {
            http.Response.Headers.ContentSecurityPolicy = Inert;
            return logo;
        }
    }

    // The tint behind the accent is a shade of the accent; a neutral one is there already.
    private static string Style(Brand brand) =>
        (brand.Accent is null ? "" : $":root {{ --accent: light-dark({brand.Accent}, {brand.AccentDark}); --tint: var(--sunk) }}\n")
        + ".brand img { height: 24px; max-width: 10rem }\n";
}
