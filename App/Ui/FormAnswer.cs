namespace App.Ui;

/// <summary>What answers a form, as far as the footer must know: another language or other colours are fetched with GET, and not every answer is there a second time.</summary>
internal sealed class FormAnswer
{
    /// <summary>Where the switches lead; null for the page's own address.</summary>
    public string? Way { get; private set; }

    /// <summary>A switch would lead away from what is never shown again, recovery codes for one, or half a sign-in.</summary>
    public bool IsShownOnce { get; private set; }

    /// <summary>The footer is drawn before the form has been answered, and once more after.</summary>
    public event Action? Changed;

    public void ShowOnce()
    {
        IsShownOnce = true;
        Changed?.Invoke();
    }

    /// <summary>For an answer whose own address says something else the next time.</summary>
    public void LeadTo(string page)
    {
        Way = page;
        Changed?.Invoke();
    }
}
