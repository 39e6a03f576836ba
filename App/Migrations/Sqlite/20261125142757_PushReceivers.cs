using System;
using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace App.Migrations.Sqlite
{
    /// <inheritdoc />
    public partial class PushReceivers : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.AddColumn<byte[]>(
                name: "PushSecret",
                table: "OpenIddictApplications",
                type: "BLOB",
                maxLength: 600,
                nullable: true);

            migrationBuilder.AddColumn<string>(
                name: "PushUrl",
                table: "OpenIddictApplications",
                type: "TEXT",
                maxLength: 500,
                nullable: true);

            migrationBuilder.CreateTable(
                name: "PushPositions",
                columns: table => new
                {
                    Service = table.Column<string>(type: "TEXT", maxLength: 100, nullable: false),
                    Cursor = table.Column<long>(type: "INTEGER", nullable: false),
                    Holder = table.Column<Guid>(type: "TEXT", nullable: false),
                    HeldUntil = table.Column<long>(type: "INTEGER", nullable: false),
                    Attempts = table.Column<int>(type: "INTEGER", nullable: false),
                    FailingSince = table.Column<long>(type: "INTEGER", nullable: true),
                    NextAttemptAt = table.Column<long>(type: "INTEGER", nullable: false),
                    LastError = table.Column<string>(type: "TEXT", maxLength: 100, nullable: true)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_PushPositions", x => x.Service);
                });

            migrationBuilder.CreateTable(
                name: "UndeliveredEvents",
                columns: table => new
                {
                    Service = table.Column<string>(type: "TEXT", maxLength: 100, nullable: false),
                    Cursor = table.Column<long>(type: "INTEGER", nullable: false),
                    EventId = table.Column<Guid>(type: "TEXT", nullable: false),
                    Type = table.Column<string>(type: "TEXT", maxLength: 60, nullable: false),
                    OccurredAt = table.Column<long>(type: "INTEGER", nullable: false),
                    SetAsideAt = table.Column<long>(type: "INTEGER", nullable: false),
                    Error = table.Column<string>(type: "TEXT", maxLength: 100, nullable: false),
                    Payload = table.Column<string>(type: "TEXT", maxLength: 4000, nullable: false),
                    Again = table.Column<bool>(type: "INTEGER", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_UndeliveredEvents", x => new { x.Service, x.Cursor });
                });

            migrationBuilder.CreateIndex(
                name: "IX_UndeliveredEvents_Cursor",
                table: "UndeliveredEvents",
                column: "Cursor");

            migrationBuilder.CreateIndex(
                name: "IX_UndeliveredEvents_SetAsideAt",
                table: "UndeliveredEvents",
                column: "SetAsideAt");
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropTable(
                name: "PushPositions");

            migrationBuilder.DropTable(
                name: "UndeliveredEvents");

            migrationBuilder.DropColumn(
                name: "PushSecret",
                table: "OpenIddictApplications");

            migrationBuilder.DropColumn(
                name: "PushUrl",
                table: "OpenIddictApplications");
        }
    }
}
