// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine.h"

#include <time.h>

#define IRQ 8
#define B_SET 0x80
#define B_PIE 0x40
#define B_AIE 0x20
#define B_UIE 0x10
#define B_BINARY 0x04
#define B_24H 0x02

static int setup(void **state)
{
	struct machine *m = machine_new();

	machine_add(m, &rtc_class, NULL);
	*state = m;
	return 0;
}

static int teardown(void **state)
{
	machine_free(*state);
	return 0;
}

static uint8_t rd(struct machine *m, uint8_t reg)
{
	outb(m, 0x70, reg);
	return inb(m, 0x71);
}

static void wr(struct machine *m, uint8_t reg, uint8_t val)
{
	outb(m, 0x70, reg | 0x80); /* with the NMI bit */
	outb(m, 0x71, val);
}

static int bcd(uint8_t val)
{
	return (val >> 4) * 10 + (val & 15);
}

static uint8_t to_bcd(int val)
{
	return (uint8_t)(val / 10 << 4 | val % 10);
}

/* As the guest sees it, in BCD and 24 h mode. */
static time_t guest_time(struct machine *m)
{
	struct tm tm = { 0 };
	uint8_t sec;

	do {
		while (rd(m, 10) & 0x80)
			;
		sec = rd(m, 0);
		tm.tm_min = bcd(rd(m, 2));
		tm.tm_hour = bcd(rd(m, 4));
		tm.tm_mday = bcd(rd(m, 7));
		tm.tm_mon = bcd(rd(m, 8)) - 1;
		tm.tm_year = bcd(rd(m, 0x32)) * 100 + bcd(rd(m, 9)) - 1900;
	} while (sec != rd(m, 0));
	tm.tm_sec = bcd(sec);
	return timegm(&tm);
}

/* As Linux's mc146818_set_time does it. */
static void set_time(struct machine *m, time_t t, bool hold_divider)
{
	uint8_t a = rd(m, 10), b = rd(m, 11);
	struct tm tm;

	gmtime_r(&t, &tm);
	wr(m, 11, b | B_SET);
	if (hold_divider)
		wr(m, 10, a | 0x70);
	wr(m, 0, to_bcd(tm.tm_sec));
	wr(m, 2, to_bcd(tm.tm_min));
	wr(m, 4, to_bcd(tm.tm_hour));
	wr(m, 7, to_bcd(tm.tm_mday));
	wr(m, 8, to_bcd(tm.tm_mon + 1));
	wr(m, 9, to_bcd(tm.tm_year % 100));
	wr(m, 0x32, to_bcd(tm.tm_year / 100 + 19));
	wr(m, 11, b);
	wr(m, 10, a);
}

static void test_time(void **state)
{
	struct machine *m = *state;
	time_t before = time(NULL), t = guest_time(m);

	assert_in_range(t, before, time(NULL) + 1);
	assert_int_equal(rd(m, 13), 0x80);
}

static void test_set(void **state)
{
	struct machine *m = *state;
	const time_t start = 951782399; /* 2000-02-28 23:59:59 */
	struct tm tm;
	time_t t;

	set_time(m, start, false);
	assert_in_range(guest_time(m), start, start + 1);
	pump(m->vm.loop, 1100);
	assert_in_range(guest_time(m), start + 1, start + 2);
	assert_int_equal(rd(m, 7), 0x29);

	/* Date and day of the week through two centuries. */
	for (t = 43200; t < 130LL * 366 * 86400; t += 29LL * 86400) {
		set_time(m, t, true);
		gmtime_r(&t, &tm);
		assert_int_equal(rd(m, 7), to_bcd(tm.tm_mday));
		assert_int_equal(rd(m, 8), to_bcd(tm.tm_mon + 1));
		assert_int_equal(rd(m, 9), to_bcd(tm.tm_year % 100));
		assert_int_equal(rd(m, 6), tm.tm_wday + 1);
		assert_int_equal(rd(m, 4), 0x12);
	}
}

static void test_modes(void **state)
{
	struct machine *m = *state;

	wr(m, 11, B_SET | B_24H | B_BINARY);
	wr(m, 4, 23);
	wr(m, 2, 59);
	wr(m, 0, 10);
	wr(m, 11, B_24H | B_BINARY);
	assert_int_equal(rd(m, 4), 23);
	assert_int_equal(rd(m, 2), 59);
	wr(m, 11, B_BINARY);
	assert_int_equal(rd(m, 4), 0x80 | 11);
	wr(m, 11, 0);
	assert_int_equal(rd(m, 4), 0x80 | 0x11);
	assert_int_equal(rd(m, 2), 0x59);
	wr(m, 4, 0x12); /* 12 a.m. */
	assert_int_equal(rd(m, 4), 0x12);
	wr(m, 11, B_24H);
	assert_int_equal(rd(m, 4), 0x00);
	wr(m, 11, 0);
	wr(m, 4, 0x92); /* 12 p.m. */
	wr(m, 11, B_24H);
	assert_int_equal(rd(m, 4), 0x12);
}

static void test_garbage(void **state)
{
	struct machine *m = *state;
	unsigned int reg, i;

	for (i = 0; i < 20000; i++) {
		reg = (unsigned int)rand() & 0x3f;
		wr(m, (uint8_t)reg, (uint8_t)rand());
		rd(m, (uint8_t)rand());
	}
	out(m, 0x70, 2, 0x5540);
	assert_int_equal(rd(m, 0x40), 0x55);
}

static void test_update_interrupt(void **state)
{
	struct machine *m = *state;

	rd(m, 12);
	wr(m, 11, B_24H | B_UIE);
	assert_false(m->level[IRQ]);
	pump(m->vm.loop, 1100);
	assert_true(m->level[IRQ]);
	assert_int_equal(rd(m, 12) & 0x90, 0x90);
	assert_false(m->level[IRQ]);
	assert_int_equal(rd(m, 12) & 0x80, 0);
}

static void test_alarm(void **state)
{
	struct machine *m = *state;
	const time_t start = 1700000000; /* 22:13:20 */

	wr(m, 1, 0x21);
	wr(m, 3, 0x13);
	wr(m, 5, 0xff); /* any hour */
	set_time(m, start, true);
	rd(m, 12);
	wr(m, 11, B_24H | B_AIE);
	pump(m->vm.loop, 100);
	assert_false(m->level[IRQ]);
	/* The divider left reset: half a second to the update. */
	pump(m->vm.loop, 500);
	assert_true(m->level[IRQ]);
	assert_int_equal(rd(m, 12) & 0xb0, 0xb0);
	rtc_class.reset(m->vm.devices);
	assert_int_equal(rd(m, 11), B_24H);
	assert_int_equal(guest_time(m), start + 1);
}

static void test_periodic(void **state)
{
	struct machine *m = *state;

	wr(m, 10, 0x26); /* 1024 Hz */
	rd(m, 12);
	wr(m, 11, B_24H | B_PIE);
	pump(m->vm.loop, 20);
	assert_int_equal(m->rises[IRQ], 1); /* until it is acknowledged */
	assert_int_equal(rd(m, 12) & 0xc0, 0xc0);
	pump(m->vm.loop, 20);
	assert_int_equal(m->rises[IRQ], 2);
	wr(m, 11, B_24H);
	assert_false(m->level[IRQ]);
}

static void test_memory(void **state)
{
	struct machine *m = *state;
	uint64_t high = m->vm.mem.size - RAM_LOW_MAX;

	assert_int_equal(rd(m, 0x15) | rd(m, 0x16) << 8, 640);
	assert_int_equal(rd(m, 0x17) | rd(m, 0x18) << 8, 0xffff);
	assert_int_equal(rd(m, 0x34) | rd(m, 0x35) << 8,
			 (RAM_LOW_MAX - (16 << 20)) >> 16);
	assert_int_equal(rd(m, 0x5b) | rd(m, 0x5c) << 8 | rd(m, 0x5d) << 16,
			 high >> 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_time, setup, teardown),
		cmocka_unit_test_setup_teardown(test_set, setup, teardown),
		cmocka_unit_test_setup_teardown(test_modes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_garbage, setup, teardown),
		cmocka_unit_test_setup_teardown(test_update_interrupt, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_alarm, setup, teardown),
		cmocka_unit_test_setup_teardown(test_periodic, setup, teardown),
		cmocka_unit_test_setup_teardown(test_memory, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
