#include "fault.h"

#include <stdarg.h>
#include <stdio.h>

int qe_fault_set(struct qe_fault *fault, enum qe_exit exit, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fault->exit = exit;
    if (vsnprintf(fault->text, sizeof fault->text, format, args) < 0) fault->text[0] = '\0';
    va_end(args);
    return -1;
}
