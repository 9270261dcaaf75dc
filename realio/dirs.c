#include "dirs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int join(char out[QE_PATH_SIZE], const char *base, const char *rest, struct qe_fault *fault)
{
    int size = snprintf(out, QE_PATH_SIZE, "%s%s", base, rest);
    if (size < 0 || size >= QE_PATH_SIZE)
        return qe_fault_set(
            fault, QE_EXIT_STATE, "path too long (at most %d bytes): %s%s", QE_PATH_SIZE - 1, base, rest);
    return 0;
}

// An absolute path from the environment; others are to be ignored (XDG Base Directory Specification).
static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value && value[0] == '/' ? value : NULL;
}

static int under_home(
    char out[QE_PATH_SIZE], const char *variable, const char *home_part, const char *rest, struct qe_fault *fault)
{
    char base[QE_PATH_SIZE];
    const char *set = environment(variable);
    if (set) return join(out, set, rest, fault);
    const char *home = environment("HOME");
    if (!home)
        return qe_fault_set(
            fault, QE_EXIT_STATE, "HOME is not set; name the paths with --state-dir, --control and --config");
    if (join(base, home, home_part, fault)) return -1;
    return join(out, base, rest, fault);
}

static int control_default(struct qe_dirs *dirs, struct qe_fault *fault)
{
    const char *runtime = environment("XDG_RUNTIME_DIR");
    if (runtime) return join(dirs->control, runtime, "/quicether/control.sock", fault);
    char base[64];
    snprintf(base, sizeof base, "/run/user/%lu", (unsigned long)geteuid());
    if (access(base, W_OK) == 0) return join(dirs->control, base, "/quicether/control.sock", fault);
    return join(dirs->control, dirs->state, "/control.sock", fault);
}

int qe_dirs_default(struct qe_dirs *dirs, struct qe_fault *fault)
{
    if (geteuid() == 0) {
        snprintf(dirs->state, sizeof dirs->state, "/var/lib/quicether");
        snprintf(dirs->control, sizeof dirs->control, "/run/quicether/control.sock");
        snprintf(dirs->config, sizeof dirs->config, "/etc/quicether/config.toml");
        return 0;
    }
    if (under_home(dirs->state, "XDG_STATE_HOME", "/.local/state", "/quicether", fault)) return -1;
    if (under_home(dirs->config, "XDG_CONFIG_HOME", "/.config", "/quicether/config.toml", fault)) return -1;
    return control_default(dirs, fault);
}

int qe_dirs_make(const char *path, mode_t mode, struct qe_fault *fault)
{
    char part[QE_PATH_SIZE];
    if (join(part, path, "", fault)) return -1;
    for (char *at = part + 1;; at++) {
        char end = *at;
        if (end != '/' && end != '\0') continue;
        *at = '\0';
        if (mkdir(part, mode) && errno != EEXIST)
            return qe_fault_set(fault, QE_EXIT_STATE,
                "cannot create the directory %s: %s; choose another with --state-dir", part, strerror(errno));
        *at = end;
        if (end == '\0') break;
    }
    struct stat st;
    if (stat(path, &st)) return qe_fault_set(fault, QE_EXIT_STATE, "%s: %s", path, strerror(errno));
    if (!S_ISDIR(st.st_mode)) return qe_fault_set(fault, QE_EXIT_STATE, "%s is not a directory", path);
    return 0;
}

int qe_dirs_absolute(const char *path, char out[QE_PATH_SIZE], struct qe_fault *fault)
{
    if (path[0] == '/') return join(out, path, "", fault);
    char cwd[QE_PATH_SIZE];
    if (!getcwd(cwd, sizeof cwd - 1))
        return qe_fault_set(fault, QE_EXIT_STATE, "current directory: %s", strerror(errno));
    size_t size = strlen(cwd);
    if (size == 0 || cwd[size - 1] != '/') memcpy(cwd + size, "/", 2);
    return join(out, cwd, path, fault);
}
