namespace App.OAuth;

/// <summary>The form of a <c>/connect</c> route. What can't be read, or is too large, is no form: the route answers as it does to an empty one.</summary>
internal static class ConnectForm
{
    public static async ValueTask<IFormCollection?> ReadAsync(HttpContext http)
    {
        if (!HttpMethods.IsPost(http.Request.Method) || !http.Request.HasFormContentType) return null;
        try
        {
            return await http.Request.ReadFormAsync(http.RequestAborted);
        }
        catch (Exception e) when (e is InvalidDataException or NotSupportedException or IOException or ArgumentException)
        {
            return null;
        }
    }
}
