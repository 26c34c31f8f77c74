"""What a hyperparameter is about, by its name: a setting of the training, its seed, the machine, or book-keeping.

Only settings may tell two groups of runs apart. A setting that is taken for book-keeping would merge what is different,
and the other way round every run would be a group of its own; where a name leaves it open, it is a setting.
"""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

from fluctlab.model import Scalar

__all__ = ["Kind", "kind", "words"]

Kind: TypeAlias = Literal["setting", "label", "data", "seed", "machine", "book-keeping"]

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SEED = re.compile(r"(?:^|_)(?:[a-z]*seeds?|rng|random_state|prng_?key)(?:$|_)")
#: State of the machine at one moment; says nothing about which machine it was.
_STATE = re.compile(
    r"(?:^|_)(?:util|temp|temperature|free|used|available|freq|since_boot|since_last|percent_used)(?:_|$)"
)
_LIBRARY = (
    r"(?:python|py|torch|pytorch|torchvision|tensorflow|tf|keras|jax|jaxlib|flax|numpy|mxnet|lightning|pytorch_lightning"
    r"|transformers|timm|cuda|cudnn|nccl|driver|library|lib|framework|software|package|os|kernel)"
)
_MACHINE = re.compile(
    rf"(?:(?:{_LIBRARY}|[a-z]*)_?(?:host|hostname|host_name|node|nodename|node_name|machine|machine_name|cluster|server)"
    r"|gpus?|gpu_(?:ids?|names?|model(?:_name)?|types?|driver|index|count|devices?)|cpus?|cpu_\w+|hardware|platform\w*"
    r"|gpu_\d+_\w+|(?:no_|use_)?cuda|cuda_\w+|(?:no_|use_)?gpu|cudnn\w*|devices?|device_(?:ids?|names?|types?|count)"
    r"|accelerator\w*|visible_devices|tpu\w*|os|os_\w+|python_\w+|framework|backend"
    rf"|{_LIBRARY}|{_LIBRARY}_?(?:version|ver)|(?:version|versions)_{_LIBRARY})"
)
_OUTPUT = r"(?:save|saved|output|out|work|working|checkpoint|checkpoints|ckpt|snapshot|result|results|model|exp|experiment|experiments|log|logs|logging|summary|tb|tensorboard|cache|tmp|profile|plot|save_plot|run|runs|base|root_log|writer)"
_BOOK_KEEPING = re.compile(
    rf"(?:{_OUTPUT}_?(?:dirs?|directory|paths?|folders?|root|file|filename|prefix|location)|save|save_\w+|saving|logdir|logger\w*|log"
    r"|log_(?:every|interval|freq|frequency|step|steps|level|name|file|iter)\w*|logging\w*|log_dir\w*|disp_batches|display_\w+"
    r"|(?:run|exp|expt|experiment|trial|job|task|study|session|wandb|mlflow|sweep|slurm|comet|neptune)_(?:name|ids?|no|num|number|index|key|uid|uuid|tag)"
    r"|run|trial|wandb\w*|use_wandb|mlflow\w*|slurm\w*|comet\w*|neptune\w*|tensorboard|use_tensorboard|project|project_name|entity"
    r"|timestamp|append_timestamp|time|date|datetime|time_stamp|(?:start|end|started|finished|created|creation|updated)(?:_(?:time|date|at|on))?"
    r"|uuid|uid|guid|id|pid|ppid|port|dist_url|dist_backend|master_(?:addr|address|port)|init_method|local_rank|rank|node_rank|user|username|user_name|author"
    r"|git\w*|commit\w*|sha|revision|branch|cmd|command|command_line|argv|cwd|code_version|version"
    r"|print_\w+|verbose|verbosity|debug|quiet|progress\w*|tqdm|disable_tqdm|resume\w*|start_epoch|last_epoch|restart\w*|load_from|overwrite|force"
    r"|num_workers|n_workers|workers|nworkers|num_threads|threads|data_nthreads|dataloader_workers|pin_memory|prefetch\w*|profile\w*|pdb\w*"
    r"|duration|runtime|run_time|elapsed\w*|wall_time|total_time|train(?:ing)?_time|time_per_epoch|help\w*|v|showprefixforinfo|\w*logtostderr|stderrthreshold"
    r"|hparam_(?:start|end)_index|num_tuning_trials|xml_output_file|test_(?:srcdir|tmpdir)|only_check_args|save_checkpoints|evaluate|eval_only|keep_\w*checkpoints?|)"
)
_OUTCOME = re.compile(
    r"(?:best|final|last|end|test|val|valid|validation|train|training|min|max)(?:_\w+)?_(?:acc|accuracy|acc1|acc5|loss|error|err|score|top1|top5|f1|auc|epoch|metric)"
)
_EPOCH_SETTING = re.compile(r"(?:train|training|max|end|last|val|valid|test|min)_epoch")
_LABEL = re.compile(
    r"(?:name|experiment|exp|tags?|notes?|comments?|description|message|group|config|config_(?:file|path|name)|cfg|conf|suffix|prefix|postfix|identifier|title)"
)
_DATA = re.compile(
    r"(?:data|datasets?|train|training|test|val|valid|validation|eval|image|images|img|imagenet\w*)_?(?:dir|directory|root|path|folder|location|file)s?"
    r"|data_(?:train|val|test)(?:_idx)?|root|root_dir|rec_\w+|path|data"
)


def words(name: str) -> str:
    """Return a name in lower snake case, nested names joined: ``optimizer.lrDecay`` is ``optimizer_lr_decay``.

    Examples
    --------
    >>> words("GPU.0.mem-free")
    'gpu_0_mem_free'
    """
    return re.sub(r"[^a-z0-9]+", "_", _CAMEL.sub("_", name[:512]).lower()).strip("_")


def kind(name: str, value: Scalar = None) -> Kind:
    """Say what a hyperparameter is about.

    ``label`` is a name somebody gave, which may stand for settings that were not logged; ``data`` a place of data, of
    which only the last part says what the data are.

    Examples
    --------
    >>> kind("manual_seed"), kind("torch_version"), kind("log_dir"), kind("lr"), kind("best_val_acc", 0.9)
    ('seed', 'machine', 'book-keeping', 'setting', 'book-keeping')
    """
    whole = words(name)
    last = words(name.replace("/", ".").rpartition(".")[2])
    if _SEED.search(whole):
        return "seed"
    if _STATE.search(whole) and re.match(r"(?:gpu|cpu|mem|net|disk|system|swap)(?:_|$)", whole):
        return "book-keeping"
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if number and _OUTCOME.fullmatch(last) and not _EPOCH_SETTING.fullmatch(last):
        return "book-keeping"
    for text in dict.fromkeys((whole, last)):
        if _MACHINE.fullmatch(text):
            return "machine"
        if _BOOK_KEEPING.fullmatch(text) or re.match(
            r"(?:net|disk)_\w*(?:bytes|since)|mem_(?:total|size|gb|mb)$", text
        ):
            return "book-keeping"
        if _DATA.fullmatch(text):
            return "data"
        if _LABEL.fullmatch(text):
            return "label"
    return "setting"
