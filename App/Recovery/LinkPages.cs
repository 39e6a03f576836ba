namespace App.Recovery;

/// <summary>What the pages behind a letter's link have in common.</summary>
internal static class LinkPages
{
    /// <summary>
    /// The address of such a page is a key: it goes to nobody as a referrer. Browsers then send <c>Origin: null</c> with its form, which the guard
    /// against other sites' forms passes over where <c>Sec-Fetch-Site</c> says that it is our own.
    /// </summary>
    public static void Guard(HttpContext http) => http.Response.Headers["Referrer-Policy"] = "no-referrer";
}
