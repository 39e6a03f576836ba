global using App.Shared;
