#include "resolve1.h"

#include "scratch.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

static bool refusing, silent;
static char calls_path[256];

static void note(const char *text)
{
    int fd = open(calls_path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (fd < 0) return;
    (void)!write(fd, text, strlen(text));
    (void)!write(fd, "\n", 1);
    close(fd);
}

static int done(sd_bus_message *m, sd_bus_error *error)
{
    if (refusing)
        return sd_bus_error_set(error, "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired",
            "Interactive authentication required.");
    if (silent) return 1;
    return sd_bus_reply_method_return(m, "");
}

static int on_dns(sd_bus_message *m, void *user, sd_bus_error *error)
{
    char line[256];
    const uint8_t *bytes;
    const char *name;
    size_t size;
    int link, family;
    uint16_t port;
    (void)user;
    if (sd_bus_message_read(m, "i", &link) < 0 || sd_bus_message_enter_container(m, 'a', "(iayqs)") < 0) return -1;
    int used = snprintf(line, sizeof line, "%s %d", sd_bus_message_get_member(m), link);
    while (sd_bus_message_enter_container(m, 'r', "iayqs") > 0) {
        if (sd_bus_message_read(m, "i", &family) < 0 ||
            sd_bus_message_read_array(m, 'y', (const void **)&bytes, &size) < 0)
            return -1;
        if (sd_bus_message_read(m, "qs", &port, &name) < 0 || sd_bus_message_exit_container(m) < 0) return -1;
        used += snprintf(line + used, sizeof line - (size_t)used, " %d", family);
        for (size_t i = 0; i < size; i++)
            used += snprintf(line + used, sizeof line - (size_t)used, "%c%d", i ? '.' : ' ', bytes[i]);
        used += snprintf(line + used, sizeof line - (size_t)used, " %d \"%s\"", port, name);
    }
    note(line);
    return done(m, error);
}

static int on_domains(sd_bus_message *m, void *user, sd_bus_error *error)
{
    char line[256];
    const char *domain;
    int link, routing;
    (void)user;
    if (sd_bus_message_read(m, "i", &link) < 0 || sd_bus_message_enter_container(m, 'a', "(sb)") < 0) return -1;
    int used = snprintf(line, sizeof line, "%s %d", sd_bus_message_get_member(m), link);
    while (sd_bus_message_read(m, "(sb)", &domain, &routing) > 0)
        used += snprintf(line + used, sizeof line - (size_t)used, " %s %d", domain, routing);
    note(line);
    return done(m, error);
}

static int on_boolean(sd_bus_message *m, void *user, sd_bus_error *error)
{
    char line[256];
    int link, value;
    (void)user;
    if (sd_bus_message_read(m, "ib", &link, &value) < 0) return -1;
    snprintf(line, sizeof line, "%s %d %d", sd_bus_message_get_member(m), link, value);
    note(line);
    return done(m, error);
}

static int on_word(sd_bus_message *m, void *user, sd_bus_error *error)
{
    char line[256];
    const char *value;
    int link;
    (void)user;
    if (sd_bus_message_read(m, "is", &link, &value) < 0) return -1;
    snprintf(line, sizeof line, "%s %d %s", sd_bus_message_get_member(m), link, value);
    note(line);
    return done(m, error);
}

static int on_revert(sd_bus_message *m, void *user, sd_bus_error *error)
{
    char line[256];
    int link;
    (void)user;
    if (sd_bus_message_read(m, "i", &link) < 0) return -1;
    snprintf(line, sizeof line, "RevertLink %d", link);
    note(line);
    return done(m, error);
}

static const sd_bus_vtable methods[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("SetLinkDNSEx", "ia(iayqs)", "", on_dns, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("SetLinkDomains", "ia(sb)", "", on_domains, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("SetLinkDefaultRoute", "ib", "", on_boolean, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("SetLinkDNSSEC", "is", "", on_word, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("SetLinkDNSOverTLS", "is", "", on_word, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("RevertLink", "i", "", on_revert, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_VTABLE_END,
};

static void serve(int ready)
{
    sd_bus *bus = NULL;
    if (sd_bus_open_system(&bus) < 0) _exit(1);
    if (sd_bus_add_object_vtable(
            bus, NULL, "/org/freedesktop/resolve1", "org.freedesktop.resolve1.Manager", methods, NULL) < 0)
        _exit(2);
    if (sd_bus_request_name(bus, "org.freedesktop.resolve1", 0) < 0) _exit(3);
    (void)!write(ready, "r", 1);
    close(ready);
    for (;;) {
        int result = sd_bus_process(bus, NULL);
        if (result < 0) _exit(4);
        if (result == 0) sd_bus_wait(bus, UINT64_MAX);
    }
}

// Waits for the first byte of a child's. False where it ended without one.
static bool await(int fd)
{
    char byte;
    bool came = read(fd, &byte, 1) == 1;
    close(fd);
    return came;
}

pid_t resolve1_bus(void)
{
    char config[1024], address[300];
    int ends[2];
    snprintf(address, sizeof address, "unix:path=%s", scratch_path("bus"));
    int size = snprintf(config, sizeof config,
        "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\" "
        "\"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n"
        "<busconfig><listen>%s</listen><auth>EXTERNAL</auth><policy context=\"default\"><allow send_destination=\"*\"/>"
        "<allow eavesdrop=\"true\"/><allow own=\"*\"/><allow user=\"*\"/></policy></busconfig>\n",
        address);
    scratch_write("bus.conf", config, (size_t)size, 0600);
    if (pipe(ends)) return -1;
    pid_t pid = fork();
    if (pid == 0) {
        char option[300], print[32];
        close(ends[0]);
        snprintf(option, sizeof option, "--config-file=%s", scratch_path("bus.conf"));
        snprintf(print, sizeof print, "--print-address=%d", ends[1]);
        execlp("dbus-daemon", "dbus-daemon", "--nofork", "--nopidfile", option, print, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    setenv("DBUS_SYSTEM_BUS_ADDRESS", address, 1);
    return await(ends[0]) ? pid : -1;
}

pid_t resolve1_start(bool refuse, bool be_silent)
{
    int ends[2];
    refusing = refuse;
    silent = be_silent;
    snprintf(calls_path, sizeof calls_path, "%s", scratch_path("calls"));
    unlink(calls_path);
    if (pipe(ends)) return -1;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        serve(ends[1]);
    }
    close(ends[1]);
    return await(ends[0]) ? pid : -1;
}
