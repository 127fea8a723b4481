// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine.h"

static int setup(void **state)
{
	struct machine *m = machine_new();

	machine_add(m, &i8042_class, NULL);
	*state = m;
	return 0;
}

static int teardown(void **state)
{
	machine_free(*state);
	return 0;
}

static uint8_t command(struct machine *m, uint8_t cmd)
{
	outb(m, 0x64, cmd);
	assert_true(inb(m, 0x64) & 1);
	assert_false(inb(m, 0x64) & 2);
	return inb(m, 0x60);
}

static void test_self_tests(void **state)
{
	struct machine *m = *state;

	assert_false(inb(m, 0x64) & 1); /* nothing to flush */
	assert_int_equal(command(m, 0xaa), 0x55);
	assert_int_equal(command(m, 0xab), 0x00);
	assert_false(inb(m, 0x64) & 1);
	/* No auxiliary port: the loop answers, but not from there. */
	outb(m, 0x64, 0xd3);
	outb(m, 0x60, 0x5a);
	assert_int_equal(inb(m, 0x64) & 0x21, 0x01);
	inb(m, 0x60);
	assert_int_not_equal(command(m, 0xa9), 0);
}

static void test_config(void **state)
{
	struct machine *m = *state;

	outb(m, 0x64, 0x60);
	outb(m, 0x60, 0x45);
	assert_int_equal(command(m, 0x20), 0x45);
	outb(m, 0x64, 0xad);
	assert_int_equal(command(m, 0x20), 0x55);
	outb(m, 0x64, 0xae);
	assert_int_equal(command(m, 0x20), 0x45);
	outb(m, 0x64, 0x7f);
	outb(m, 0x60, 0x99);
	assert_int_equal(command(m, 0x3f), 0x99);
	assert_int_equal(command(m, 0x20), 0x45);
	/* Each answer came with an interrupt, gone when it was taken. */
	assert_true(m->rises[1] > 0);
	assert_false(m->level[1]);
}

/* The missing keyboard is found out at once. */
static void test_no_keyboard(void **state)
{
	struct machine *m = *state;

	outb(m, 0x60, 0xf2);
	assert_int_equal(inb(m, 0x64) & 0x41, 0x41);
	assert_int_equal(inb(m, 0x60), 0xfe);
	assert_int_equal(inb(m, 0x64) & 0x41, 0);
}

static void test_reset(void **state)
{
	struct machine *m = *state;

	outb(m, 0x64, 0xff);
	assert_int_equal(m->request, VM_REQ_NONE);
	outb(m, 0x64, 0xfe);
	assert_int_equal(m->request, VM_REQ_RESET);

	m->request = VM_REQ_NONE;
	outb(m, 0x64, 0xd1);
	outb(m, 0x60, 0xdf);
	assert_int_equal(m->request, VM_REQ_NONE);
	assert_int_equal(command(m, 0xd0) & 3, 3);
	outb(m, 0x64, 0xdd);
	assert_int_equal(command(m, 0xd0) & 3, 1);
	outb(m, 0x64, 0xd1);
	outb(m, 0x60, 0xde);
	assert_int_equal(m->request, VM_REQ_RESET);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_self_tests, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_config, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_keyboard, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_reset, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
