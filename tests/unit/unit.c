// SPDX-License-Identifier: GPL-2.0-or-later
/* What main.c gives the VMM, for programs that link it without main.c. */
#include "log.h"

enum log_level log_level = LOG_ERROR;
