/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VIREO_CMOCKA_UNIT_H
#define VIREO_CMOCKA_UNIT_H

/* cmocka.h needs these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
