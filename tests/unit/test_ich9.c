// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine.h"

#include <time.h>

#include "device/pci.h"

#define PM1_EN (ICH9_PM1_EVT + 2)
#define PWRBTN 0x100

static int setup(void **state)
{
	struct machine *m = machine_new();

	machine_add(m, &q35_host_class, NULL);
	machine_add(m, &ich9_lpc_class, NULL);
	*state = m;
	return 0;
}

static int teardown(void **state)
{
	machine_free(*state);
	return 0;
}

static void test_power_button(void **state)
{
	struct machine *m = *state;

	ich9_power_button(m->vm.ich9);
	assert_false(m->level[ICH9_SCI_GSI]);
	assert_int_equal(in(m, ICH9_PM1_EVT, 2) & PWRBTN, PWRBTN);
	out(m, PM1_EN, 2, PWRBTN);
	assert_true(m->level[ICH9_SCI_GSI]);
	out(m, ICH9_PM1_EVT, 2, 0);
	assert_true(m->level[ICH9_SCI_GSI]);
	out(m, ICH9_PM1_EVT, 2, PWRBTN);
	assert_false(m->level[ICH9_SCI_GSI]);
	assert_int_equal(in(m, ICH9_PM1_EVT, 4) >> 16, PWRBTN);
	ich9_power_button(m->vm.ich9);
	assert_true(m->level[ICH9_SCI_GSI]);
	/* Byte by byte. */
	outb(m, ICH9_PM1_EVT + 1, PWRBTN >> 8);
	assert_false(m->level[ICH9_SCI_GSI]);
	outb(m, PM1_EN + 1, 0);
	ich9_power_button(m->vm.ich9);
	assert_false(m->level[ICH9_SCI_GSI]);
}

static void test_sleep(void **state)
{
	struct machine *m = *state;

	assert_int_equal(in(m, ICH9_PM1_CNT, 2), 1);
	out(m, ICH9_PM1_CNT, 2, 0); /* SCI_EN stays, no SLP_EN */
	assert_int_equal(in(m, ICH9_PM1_CNT, 2), 1);
	out(m, ICH9_PM1_CNT, 2, 5 << 10 | 1);
	assert_int_equal(in(m, ICH9_PM1_CNT, 2), 5 << 10 | 1);
	out(m, ICH9_PM1_CNT, 2, 1 << 13 | 5 << 10 | 1); /* no S3 */
	assert_int_equal(m->request, VM_REQ_NONE);
	out(m, ICH9_PM1_CNT, 2, 1 << 13 | ICH9_SLP_TYP_S5 << 10 | 1);
	assert_int_equal(m->request, VM_REQ_SHUTDOWN);
	assert_int_equal(in(m, ICH9_PM1_CNT, 2) & 1 << 13, 0);
}

static void test_timer(void **state)
{
	struct machine *m = *state;
	struct timespec ts = { 0, 50 * 1000000 };
	uint32_t a = in(m, ICH9_PM_TMR, 4), b;

	nanosleep(&ts, NULL);
	b = in(m, ICH9_PM_TMR, 4);
	assert_int_equal(a >> 24, 0);
	assert_in_range((b - a) & 0xffffff, 3579545 / 20, 3579545);
	out(m, ICH9_PM_TMR, 4, 0);
	assert_in_range((in(m, ICH9_PM_TMR, 4) - b) & 0xffffff, 0, 3579545);
}

/* Bit 23 toggles every 2.34 s. */
static void test_timer_overflow(void **state)
{
	struct machine *m = *state;

	out(m, PM1_EN, 2, 1);
	assert_false(m->level[ICH9_SCI_GSI]);
	pump(m->vm.loop, 2400);
	assert_true(m->level[ICH9_SCI_GSI]);
	assert_int_equal(in(m, ICH9_PM1_EVT, 2) & 1, 1);
	out(m, ICH9_PM1_EVT, 2, 1);
	assert_false(m->level[ICH9_SCI_GSI]);
}

static void test_gpe(void **state)
{
	struct machine *m = *state;

	out(m, ICH9_GPE0 + 8, 4, 0x12345678);
	outb(m, ICH9_GPE0 + 15, 0x9a);
	assert_int_equal(in(m, ICH9_GPE0 + 8, 4), 0x12345678);
	assert_int_equal(in(m, ICH9_GPE0 + 10, 2), 0x1234);
	assert_int_equal(in(m, ICH9_GPE0 + 12, 4), 0x9a000000);
	out(m, ICH9_GPE0, 4, 0xffffffff);
	assert_int_equal(in(m, ICH9_GPE0, 4), 0);
	assert_false(m->level[ICH9_SCI_GSI]);
	out(m, 0xb2, 1, 0x77);
	out(m, 0xb3, 1, 0x88);
	assert_int_equal(in(m, 0xb2, 2), 0x8877);
}

static void test_resets(void **state)
{
	struct machine *m = *state;

	/* ACPI's way, and the two steps of others. */
	outb(m, ICH9_RESET_PORT, ICH9_RESET_VALUE);
	assert_int_equal(m->request, VM_REQ_RESET);
	m->request = VM_REQ_NONE;
	ich9_lpc_class.reset(&m->vm.pci->devs[0xf8]->dev);
	outb(m, ICH9_RESET_PORT, 0x0a);
	assert_int_equal(inb(m, ICH9_RESET_PORT), 0x0a);
	assert_int_equal(m->request, VM_REQ_NONE);
	outb(m, ICH9_RESET_PORT, 0x0e);
	assert_int_equal(m->request, VM_REQ_RESET);

	/* The same port is part of the address of a configuration access. */
	m->request = VM_REQ_NONE;
	ich9_lpc_class.reset(&m->vm.pci->devs[0xf8]->dev);
	out(m, 0xcf8, 4, 0x80000600);
	assert_int_equal(m->request, VM_REQ_NONE);
	assert_int_equal(inb(m, ICH9_RESET_PORT), 0);
	assert_int_equal(in(m, 0xcf8, 4), 0x80000600);

	outb(m, 0x92, inb(m, 0x92) & 0xfe);
	assert_int_equal(m->request, VM_REQ_NONE);
	assert_int_equal(inb(m, 0x92), 2);
	outb(m, 0x92, 3);
	assert_int_equal(m->request, VM_REQ_RESET);
}

static void test_config(void **state)
{
	struct machine *m = *state;

	out(m, 0xcf8, 4, 0x8000f840);
	assert_int_equal(in(m, 0xcfc, 4), ICH9_PM_BASE | 1);
	out(m, 0xcfc, 4, 0xffffffff);
	assert_int_equal(in(m, 0xcfc, 4), ICH9_PM_BASE | 1);
	out(m, 0xcf8, 4, 0x8000f844);
	assert_int_equal(in(m, 0xcfc, 1), 0x80);
	out(m, 0xcf8, 4, 0x8000f860);
	assert_int_equal(in(m, 0xcfc, 4), 0x80808080);
	out(m, 0xcfd, 1, 0x0b);
	assert_int_equal(in(m, 0xcfc, 4), 0x80800b80);
	ich9_lpc_class.reset(&m->vm.pci->devs[0xf8]->dev);
	out(m, 0xcf8, 4, 0x8000f860);
	assert_int_equal(in(m, 0xcfc, 4), 0x80808080);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_power_button, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_sleep, setup, teardown),
		cmocka_unit_test_setup_teardown(test_timer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_timer_overflow, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_gpe, setup, teardown),
		cmocka_unit_test_setup_teardown(test_resets, setup, teardown),
		cmocka_unit_test_setup_teardown(test_config, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
