using System;
using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace App.Migrations.Sqlite
{
    /// <inheritdoc />
    public partial class Feed : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropTable(
                name: "SecurityEvents");

            migrationBuilder.AddColumn<long>(
                name: "TokensNotBefore",
                table: "AspNetUsers",
                type: "INTEGER",
                nullable: true);

            migrationBuilder.CreateTable(
                name: "EventCounter",
                columns: table => new
                {
                    Id = table.Column<int>(type: "INTEGER", nullable: false),
                    Value = table.Column<long>(type: "INTEGER", nullable: false),
                    PrunedTo = table.Column<long>(type: "INTEGER", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_EventCounter", x => x.Id);
                });

            migrationBuilder.CreateTable(
                name: "FeedReaders",
                columns: table => new
                {
                    Service = table.Column<string>(type: "TEXT", maxLength: 100, nullable: false),
                    Instance = table.Column<string>(type: "TEXT", maxLength: 64, nullable: false),
                    Audience = table.Column<string>(type: "TEXT", maxLength: 200, nullable: true),
                    ContactAt = table.Column<long>(type: "INTEGER", nullable: false),
                    Applied = table.Column<long>(type: "INTEGER", nullable: false),
                    Ahead = table.Column<string>(type: "TEXT", nullable: true),
                    Acks = table.Column<string>(type: "TEXT", maxLength: 4000, nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_FeedReaders", x => new { x.Service, x.Instance });
                });

            migrationBuilder.CreateTable(
                name: "SecurityEventLog",
                columns: table => new
                {
                    Cursor = table.Column<long>(type: "INTEGER", nullable: false),
                    Id = table.Column<Guid>(type: "TEXT", nullable: false),
                    Type = table.Column<string>(type: "TEXT", maxLength: 60, nullable: false),
                    OccurredAt = table.Column<long>(type: "INTEGER", nullable: false),
                    ExpiresAt = table.Column<long>(type: "INTEGER", nullable: false),
                    UserId = table.Column<Guid>(type: "TEXT", nullable: true),
                    SessionId = table.Column<Guid>(type: "TEXT", nullable: true),
                    KeyId = table.Column<string>(type: "TEXT", maxLength: 64, nullable: true),
                    NotBefore = table.Column<long>(type: "INTEGER", nullable: true),
                    Audiences = table.Column<string>(type: "TEXT", maxLength: 2000, nullable: true),
                    Reason = table.Column<string>(type: "TEXT", maxLength: 40, nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_SecurityEventLog", x => x.Cursor);
                });

            migrationBuilder.InsertData(
                table: "EventCounter",
                columns: new[] { "Id", "PrunedTo", "Value" },
                values: new object[] { 1, 0L, 0L });

            migrationBuilder.CreateIndex(
                name: "IX_FeedReaders_ContactAt",
                table: "FeedReaders",
                column: "ContactAt");

            migrationBuilder.CreateIndex(
                name: "IX_SecurityEventLog_ExpiresAt",
                table: "SecurityEventLog",
                column: "ExpiresAt");

            migrationBuilder.CreateIndex(
                name: "IX_SecurityEventLog_Id",
                table: "SecurityEventLog",
                column: "Id",
                unique: true);

            migrationBuilder.CreateIndex(
                name: "IX_SecurityEventLog_SessionId",
                table: "SecurityEventLog",
                column: "SessionId");
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropTable(
                name: "EventCounter");

            migrationBuilder.DropTable(
                name: "FeedReaders");

            migrationBuilder.DropTable(
                name: "SecurityEventLog");

            migrationBuilder.DropColumn(
                name: "TokensNotBefore",
                table: "AspNetUsers");

            migrationBuilder.CreateTable(
                name: "SecurityEvents",
                columns: table => new
                {
                    Cursor = table.Column<long>(type: "INTEGER", nullable: false)
                        .Annotation("Sqlite:Autoincrement", true),
                    ExpiresAt = table.Column<long>(type: "INTEGER", nullable: false),
                    Id = table.Column<Guid>(type: "TEXT", nullable: false),
                    KeyId = table.Column<string>(type: "TEXT", maxLength: 64, nullable: true),
                    OccurredAt = table.Column<long>(type: "INTEGER", nullable: false),
                    Reason = table.Column<string>(type: "TEXT", maxLength: 40, nullable: false),
                    SessionId = table.Column<Guid>(type: "TEXT", nullable: true),
                    Type = table.Column<string>(type: "TEXT", maxLength: 60, nullable: false),
                    UserId = table.Column<Guid>(type: "TEXT", nullable: true)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_SecurityEvents", x => x.Cursor);
                });

            migrationBuilder.CreateIndex(
                name: "IX_SecurityEvents_ExpiresAt",
                table: "SecurityEvents",
                column: "ExpiresAt");

            migrationBuilder.CreateIndex(
                name: "IX_SecurityEvents_Id",
                table: "SecurityEvents",
                column: "Id",
                unique: true);
        }
    }
}
