// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine.h"

#include <linux/serial_reg.h>

#include "chardev.h"

#define PORT 0x3f8
#define IRQ 4

/* ---- a chardev that remembers ----------------------------------------------
 */

struct chardev {
	struct chardev_client client;
	char out[64];
	size_t len;
	bool hold;
	unsigned int polls;
};

static struct chardev chr;

int chardev_open(struct chardev **out_chr, struct loop *loop,
		 const char *target, const struct chardev_client *client,
		 const struct chardev_escape *escape, struct error *err)
{
	(void)loop;
	(void)target;
	(void)escape;
	(void)err;
	memset(&chr, 0, sizeof(chr));
	chr.client = *client;
	*out_chr = &chr;
	return 0;
}

void chardev_close(struct chardev *c)
{
	assert_ptr_equal(c, &chr);
}

bool chardev_write(struct chardev *c, const void *buf, size_t len)
{
	assert_true(c->len + len <= sizeof(c->out));
	memcpy(c->out + c->len, buf, len);
	c->len += len;
	return !c->hold;
}

void chardev_poll_input(struct chardev *c)
{
	c->polls++;
}

static size_t can_take(void)
{
	return chr.client.can_take(chr.client.opaque);
}

static void input(const char *text)
{
	chr.client.input(chr.client.opaque, (const uint8_t *)text,
			 strlen(text));
}

/* ---- access
 * ------------------------------------------------------------------ */

static uint8_t rd(struct machine *m, unsigned int reg)
{
	return inb(m, (uint16_t)(PORT + reg));
}

static void wr(struct machine *m, unsigned int reg, uint8_t val)
{
	outb(m, (uint16_t)(PORT + reg), val);
}

static int setup(void **state)
{
	struct machine *m = machine_new();

	machine_add(m, &serial_class, "none");
	*state = m;
	return 0;
}

static int teardown(void **state)
{
	machine_free(*state);
	return 0;
}

/* ---- tests
 * --------------------------------------------------------------------- */

static void test_power_on(void **state)
{
	struct machine *m = *state;

	assert_int_equal(rd(m, UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);
	assert_int_equal(rd(m, UART_IIR), UART_IIR_NO_INT);
	assert_int_equal(rd(m, UART_MSR),
			 UART_MSR_CTS | UART_MSR_DSR | UART_MSR_DCD);
	assert_int_equal(rd(m, UART_IER), 0);
	assert_false(m->level[IRQ]);
}

static void test_output(void **state)
{
	struct machine *m = *state;

	wr(m, UART_TX, 'h');
	wr(m, UART_TX, 'i');
	assert_int_equal(chr.len, 2);
	assert_memory_equal(chr.out, "hi", 2);
	/* The divisor latch is no transmitter. */
	wr(m, UART_LCR, UART_LCR_DLAB | 3);
	wr(m, UART_DLL, 0x0c);
	wr(m, UART_DLM, 0x01);
	assert_int_equal(chr.len, 2);
	assert_int_equal(rd(m, UART_DLL), 0x0c);
	assert_int_equal(rd(m, UART_DLM), 0x01);
	wr(m, UART_LCR, 3);
	assert_int_equal(rd(m, UART_IER), 0);
	wr(m, UART_TX, '!');
	assert_int_equal(chr.len, 3);
}

static void test_scratch(void **state)
{
	struct machine *m = *state;

	wr(m, UART_SCR, 0x5a);
	assert_int_equal(rd(m, UART_SCR), 0x5a);
	/* Wider accesses are split. */
	out(m, PORT + UART_MSR, 2, 0xa500);
	assert_int_equal(in(m, PORT + UART_MSR, 2) >> 8, 0xa5);
	serial_class.reset(m->vm.devices);
	assert_int_equal(rd(m, UART_SCR), 0);
}

static void test_thre_interrupt(void **state)
{
	struct machine *m = *state;

	wr(m, UART_IER, UART_IER_THRI);
	assert_false(m->level[IRQ]); /* OUT2 gates it */
	wr(m, UART_MCR, UART_MCR_OUT2);
	assert_true(m->level[IRQ]);
	assert_int_equal(rd(m, UART_IIR), UART_IIR_THRI);
	assert_false(m->level[IRQ]);
	assert_int_equal(rd(m, UART_IIR), UART_IIR_NO_INT);
	wr(m, UART_TX, 'x');
	assert_true(m->level[IRQ]);
	wr(m, UART_IER, 0);
	assert_false(m->level[IRQ]);
	/* Enabled again it asks again, though nothing was sent. */
	wr(m, UART_IER, UART_IER_THRI);
	assert_int_equal(rd(m, UART_IIR), UART_IIR_THRI);
	wr(m, UART_IER, 0);
	wr(m, UART_IER, UART_IER_THRI);
	assert_int_equal(rd(m, UART_IIR), UART_IIR_THRI);
}

static void test_held_back(void **state)
{
	struct machine *m = *state;

	wr(m, UART_MCR, UART_MCR_OUT2);
	wr(m, UART_IER, UART_IER_THRI);
	rd(m, UART_IIR);
	chr.hold = true;
	wr(m, UART_TX, 'x');
	assert_int_equal(rd(m, UART_LSR), 0);
	assert_int_equal(rd(m, UART_IIR), UART_IIR_NO_INT);
	wr(m, UART_IER, 0);
	wr(m, UART_IER, UART_IER_THRI);
	assert_int_equal(rd(m, UART_IIR), UART_IIR_NO_INT);
	/* What is written all the same is not lost here. */
	wr(m, UART_TX, 'y');
	assert_int_equal(chr.len, 2);
	serial_class.reset(m->vm.devices);
	assert_int_equal(rd(m, UART_LSR), 0);
	wr(m, UART_MCR, UART_MCR_OUT2);
	wr(m, UART_IER, UART_IER_THRI);
	chr.hold = false;
	chr.client.on_drained(chr.client.opaque);
	assert_int_equal(rd(m, UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);
	assert_true(m->level[IRQ]);
	assert_int_equal(rd(m, UART_IIR), UART_IIR_THRI);
}

static void test_input(void **state)
{
	struct machine *m = *state;
	unsigned int i;

	wr(m, UART_FCR, UART_FCR_ENABLE_FIFO);
	assert_int_equal(can_take(), 0); /* no RTS */
	wr(m, UART_IER, UART_IER_RDI);
	assert_int_equal(chr.polls, 0);
	wr(m, UART_MCR, UART_MCR_RTS | UART_MCR_OUT2);
	assert_int_equal(chr.polls, 1);
	assert_int_equal(can_take(), 16);

	input("0123456789abcdef");
	assert_true(m->level[IRQ]);
	assert_int_equal(rd(m, UART_LSR) & UART_LSR_DR, UART_LSR_DR);
	assert_int_equal(rd(m, UART_IIR), UART_IIR_RDI | 0xc0);
	assert_int_equal(can_take(), 0);
	for (i = 0; i < 16; i++) {
		assert_int_equal(chr.polls, 1);
		assert_int_equal(rd(m, UART_RX), "0123456789abcdef"[i]);
	}
	assert_int_equal(chr.polls, 2);
	assert_false(m->level[IRQ]);
	assert_int_equal(rd(m, UART_LSR) & UART_LSR_DR, 0);
	assert_int_equal(rd(m, UART_RX), 0);

	/* More than fits is cut off, not written past the FIFO. */
	input("0123456789abcdefghijk");
	for (i = 0; i < 16; i++)
		assert_int_equal(rd(m, UART_RX), "0123456789abcdef"[i]);
	assert_int_equal(rd(m, UART_LSR) & UART_LSR_DR, 0);

	/* Clearing the FIFO; without one there is room for one. */
	input("xyz");
	wr(m, UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR);
	assert_int_equal(rd(m, UART_LSR) & UART_LSR_DR, 0);
	assert_false(m->level[IRQ]);
	wr(m, UART_FCR, 0);
	assert_int_equal(can_take(), 1);
}

/* What Linux's autoconfig does, and the deltas. */
static void test_loopback(void **state)
{
	struct machine *m = *state;

	rd(m, UART_MSR);
	wr(m, UART_FCR, UART_FCR_ENABLE_FIFO);
	wr(m, UART_IER, UART_IER_MSI);
	wr(m, UART_MCR, UART_MCR_LOOP | UART_MCR_OUT2 | UART_MCR_RTS);
	assert_int_equal(rd(m, UART_MSR) & 0xf0, UART_MSR_DCD | UART_MSR_CTS);
	assert_int_equal(rd(m, UART_MSR) & 0x0f, 0); /* read clears */
	assert_false(m->level[IRQ]);
	assert_int_equal(can_take(), 0);

	wr(m, UART_MCR, UART_MCR_LOOP | UART_MCR_OUT1);
	assert_int_equal(rd(m, UART_MSR),
			 UART_MSR_RI | UART_MSR_DDCD | UART_MSR_DCTS);
	assert_int_equal(rd(m, UART_IIR), UART_IIR_NO_INT | 0xc0);
	wr(m, UART_MCR, UART_MCR_LOOP);
	assert_int_equal(rd(m, UART_IIR), UART_IIR_MSI | 0xc0);
	assert_int_equal(rd(m, UART_MSR), UART_MSR_TERI);

	wr(m, UART_TX, 'q');
	assert_int_equal(chr.len, 0);
	assert_int_equal(rd(m, UART_RX), 'q');
	wr(m, UART_MCR, UART_MCR_OUT2);
	assert_int_equal(rd(m, UART_MSR),
			 UART_MSR_CTS | UART_MSR_DSR | UART_MSR_DCD |
				 UART_MSR_DCTS | UART_MSR_DDSR | UART_MSR_DDCD);
}

/* The most urgent cause shows first. */
static void test_priority(void **state)
{
	struct machine *m = *state;

	wr(m, UART_MCR, UART_MCR_RTS | UART_MCR_OUT2 | UART_MCR_LOOP);
	wr(m, UART_MCR, UART_MCR_RTS | UART_MCR_OUT2);
	wr(m, UART_IER, UART_IER_RDI | UART_IER_THRI | UART_IER_MSI);
	input("a");
	assert_int_equal(rd(m, UART_IIR), UART_IIR_RDI);
	assert_int_equal(rd(m, UART_IIR), UART_IIR_RDI);
	rd(m, UART_RX);
	assert_int_equal(rd(m, UART_IIR), UART_IIR_THRI);
	assert_int_equal(rd(m, UART_IIR), UART_IIR_MSI);
	rd(m, UART_MSR);
	assert_int_equal(rd(m, UART_IIR), UART_IIR_NO_INT);
	assert_false(m->level[IRQ]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_power_on, setup, teardown),
		cmocka_unit_test_setup_teardown(test_output, setup, teardown),
		cmocka_unit_test_setup_teardown(test_scratch, setup, teardown),
		cmocka_unit_test_setup_teardown(test_thre_interrupt, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_held_back, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_input, setup, teardown),
		cmocka_unit_test_setup_teardown(test_loopback, setup, teardown),
		cmocka_unit_test_setup_teardown(test_priority, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
