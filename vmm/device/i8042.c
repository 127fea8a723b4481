// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Keyboard controller (Intel 8042 as in the PC/AT; IBM PC/AT Technical
 * Reference, 1984, section 1, "Keyboard Controller") with nothing plugged in.
 *
 * Every command that owes a byte answers at once, and a byte sent to the
 * missing keyboard ends in the controller's transmit time-out: a driver that
 * probes finds out in a few accesses rather than by waiting.  The controller
 * has no auxiliary port.
 */
#include "../fastpath.h"
#include "../state.h"
#include "../vm.h"
#include "devices.h"

#define PORT_DATA 0x60
#define PORT_COMMAND 0x64
#define KEYBOARD_IRQ 1

#define STATUS_OBF 0x01
#define STATUS_SYS 0x04
#define STATUS_COMMAND 0x08
#define STATUS_UNLOCKED 0x10
#define STATUS_TIMEOUT 0x40

#define CONFIG_IRQ 0x01
#define CONFIG_SYS 0x04
#define CONFIG_DISABLED 0x10 /* keyboard clock held low */
#define CONFIG_TRANSLATE 0x40

#define OUTPUT_RESET 0x01 /* low: the processor's reset line is pulled */
#define OUTPUT_A20 0x02
#define OUTPUT_OBF 0x10

#define KEYBOARD_RESEND 0xfe

/* Commands whose operand comes through the data port. */
#define CMD_NONE 0x00
#define CMD_READ_RAM 0x20  /* to 3fh */
#define CMD_WRITE_RAM 0x60 /* to 7fh */
#define CMD_AUX_TEST 0xa9
#define CMD_SELF_TEST 0xaa
#define CMD_KBD_TEST 0xab
#define CMD_KBD_DISABLE 0xad
#define CMD_KBD_ENABLE 0xae
#define CMD_READ_INPUT 0xc0
#define CMD_READ_OUTPUT 0xd0
#define CMD_WRITE_OUTPUT 0xd1
#define CMD_WRITE_KBD 0xd2 /* as if the keyboard had sent the operand */
#define CMD_WRITE_AUX 0xd3
#define CMD_SEND_AUX 0xd4
#define CMD_A20_OFF 0xdd
#define CMD_A20_ON 0xdf
#define CMD_PULSE 0xf0 /* to ffh: pulses the output bits that are 0 */

struct i8042 {
	struct device dev;
	struct bus_range data;
	struct bus_range command;
	struct fast_region fast; /* of command */
	struct irq_source irq;

	/* Under dev.lock. */
	uint8_t ram[32]; /* ram[0] is the configuration byte */
	uint8_t status;
	uint8_t output; /* the output port */
	uint8_t byte;	/* the output buffer */
	uint8_t cmd;	/* waits for its operand, or CMD_NONE */
};

/* Reading the status has no side effect: it is in the shadow page. */
static const struct vireo_rule command_rules[] = {
	{ .type = VIREO_RULE_SHADOW, .widths = VIREO_WIDTH_1, .len = 1 },
};

/* After each access that changes anything. */
static void update(struct i8042 *k)
{
	fast_shadow8(&k->fast, 0, k->status);
	irq_set(&k->irq, (k->status & STATUS_OBF) && (k->ram[0] & CONFIG_IRQ));
}

static void answer(struct i8042 *k, uint8_t val)
{
	k->byte = val;
	k->status &= (uint8_t)~STATUS_TIMEOUT;
	k->status |= STATUS_OBF;
}

static void time_out(struct i8042 *k)
{
	answer(k, KEYBOARD_RESEND);
	k->status |= STATUS_TIMEOUT;
}

static void write_output(struct i8042 *k, uint8_t val)
{
	k->output = val & (uint8_t)~OUTPUT_OBF;
	if (!(val & OUTPUT_RESET))
		vm_request(k->dev.vm, VM_REQ_RESET);
}

static void write_ram(struct i8042 *k, unsigned int index, uint8_t val)
{
	k->ram[index] = val;
	if (index)
		return;
	k->status &= (uint8_t)~STATUS_SYS;
	if (val & CONFIG_SYS)
		k->status |= STATUS_SYS;
}

static void command_write(void *dev, uint64_t off, unsigned int size,
			  uint64_t val)
{
	struct i8042 *k = dev;
	uint8_t cmd = (uint8_t)val;

	(void)off;
	(void)size;
	k->status |= STATUS_COMMAND;
	k->cmd = CMD_NONE;
	switch (cmd) {
	case CMD_READ_RAM ... CMD_READ_RAM + 31:
		answer(k, k->ram[cmd - CMD_READ_RAM]);
		break;
	case CMD_WRITE_RAM ... CMD_WRITE_RAM + 31:
	case CMD_WRITE_OUTPUT:
	case CMD_WRITE_KBD:
	case CMD_WRITE_AUX:
	case CMD_SEND_AUX:
		k->cmd = cmd;
		break;
	case CMD_AUX_TEST:
		answer(k, 0x01); /* clock line stuck low: no port there */
		break;
	case CMD_SELF_TEST:
		write_ram(k, 0,
			  CONFIG_SYS | CONFIG_DISABLED | CONFIG_TRANSLATE);
		answer(k, 0x55);
		break;
	case CMD_KBD_TEST:
		answer(k, 0x00);
		break;
	case CMD_KBD_DISABLE:
		k->ram[0] |= CONFIG_DISABLED;
		break;
	case CMD_KBD_ENABLE:
		k->ram[0] &= (uint8_t)~CONFIG_DISABLED;
		break;
	case CMD_READ_INPUT:
		answer(k, 0x80); /* keyboard not locked */
		break;
	case CMD_READ_OUTPUT:
		answer(k,
		       k->output | (k->status & STATUS_OBF ? OUTPUT_OBF : 0));
		break;
	case CMD_A20_OFF:
		k->output &= (uint8_t)~OUTPUT_A20;
		break;
	case CMD_A20_ON:
		k->output |= OUTPUT_A20;
		break;
	case CMD_PULSE ... CMD_PULSE + 15:
		if (!(cmd & OUTPUT_RESET))
			vm_request(k->dev.vm, VM_REQ_RESET);
		break;
	}
	update(k);
}

static uint64_t command_read(void *dev, uint64_t off, unsigned int size)
{
	struct i8042 *k = dev;

	(void)off;
	(void)size;
	return k->status;
}

static void data_write(void *dev, uint64_t off, unsigned int size, uint64_t val)
{
	struct i8042 *k = dev;
	uint8_t cmd = k->cmd;

	(void)off;
	(void)size;
	k->status &= (uint8_t)~STATUS_COMMAND;
	k->cmd = CMD_NONE;
	switch (cmd) {
	case CMD_WRITE_RAM ... CMD_WRITE_RAM + 31:
		write_ram(k, cmd - CMD_WRITE_RAM, (uint8_t)val);
		break;
	case CMD_WRITE_OUTPUT:
		write_output(k, (uint8_t)val);
		break;
	case CMD_WRITE_KBD:
	case CMD_WRITE_AUX:
		answer(k, (uint8_t)val);
		break;
	default: /* for a keyboard or a mouse */
		if (cmd == CMD_NONE)
			k->ram[0] &= (uint8_t)~CONFIG_DISABLED;
		time_out(k);
		break;
	}
	update(k);
}

static uint64_t data_read(void *dev, uint64_t off, unsigned int size)
{
	struct i8042 *k = dev;

	(void)off;
	(void)size;
	k->status &= (uint8_t) ~(STATUS_OBF | STATUS_TIMEOUT);
	update(k);
	return k->byte;
}

static const struct bus_ops data_ops = {
	.read = data_read,
	.write = data_write,
};

static const struct bus_ops command_ops = {
	.read = command_read,
	.write = command_write,
};

static int i8042_realize(struct device *dev, const void *config,
			 struct error *err)
{
	struct i8042 *k = (struct i8042 *)dev;
	int ret;

	(void)config;
	k->data = (struct bus_range){
		.name = dev->id,
		.base = PORT_DATA,
		.len = 1,
		.ops = &data_ops,
		.dev = k,
		.lock = &dev->lock,
	};
	k->command = k->data;
	k->command.base = PORT_COMMAND;
	k->command.ops = &command_ops;
	k->fast.rules = command_rules;
	k->fast.nr_rules = 1;
	irq_source_init(&k->irq, &dev->vm->irqs, KEYBOARD_IRQ);

	ret = fast_region_init(&k->fast, dev->vm, &k->command, err);
	if (ret < 0)
		return ret;
	ret = bus_insert(&dev->vm->pio, &k->data, err);
	if (ret < 0)
		goto err_fast;
	ret = bus_insert(&dev->vm->pio, &k->command, err);
	if (ret < 0)
		goto err_data;
	return 0;

err_data:
	bus_remove(&dev->vm->pio, &k->data);
err_fast:
	fast_region_destroy(&k->fast);
	return ret;
}

/* As a PC's firmware leaves it: tested, on, A20 open. */
static void i8042_reset(struct device *dev)
{
	struct i8042 *k = (struct i8042 *)dev;
	unsigned int i;

	pthread_mutex_lock(&dev->lock);
	for (i = 1; i < sizeof(k->ram); i++)
		k->ram[i] = 0;
	k->status = STATUS_UNLOCKED;
	k->output = OUTPUT_RESET | OUTPUT_A20 | 0xcc;
	k->byte = 0;
	k->cmd = CMD_NONE;
	write_ram(k, 0, CONFIG_SYS | CONFIG_TRANSLATE);
	update(k);
	pthread_mutex_unlock(&dev->lock);
}

static const struct state_field i8042_fields[] = {
	{ STATE_BYTES(struct i8042, ram) }, { STATE_U(struct i8042, status) },
	{ STATE_U(struct i8042, output) },  { STATE_U(struct i8042, byte) },
	{ STATE_U(struct i8042, cmd) },	    { 0 },
};

static int i8042_loaded(void *obj, struct error *err)
{
	struct i8042 *k = obj;

	(void)err;
	pthread_mutex_lock(&k->dev.lock);
	update(k);
	pthread_mutex_unlock(&k->dev.lock);
	return 0;
}

static const struct state_table i8042_state = {
	.version = 1,
	.fields = i8042_fields,
	.loaded = i8042_loaded,
};

static void i8042_unrealize(struct device *dev)
{
	struct i8042 *k = (struct i8042 *)dev;

	bus_remove(&dev->vm->pio, &k->command);
	bus_remove(&dev->vm->pio, &k->data);
	fast_region_destroy(&k->fast);
}

const struct dev_class i8042_class = {
	.name = "i8042",
	.size = sizeof(struct i8042),
	.realize = i8042_realize,
	.reset = i8042_reset,
	.state = &i8042_state,
	.unrealize = i8042_unrealize,
};
