"""Baselines: Graph Networks that predict factors, their training, and a registry for yours."""

from precondbench.baselines.checkpoint import load_model, save_model
from precondbench.baselines.chow_patel import ChowPatel
from precondbench.baselines.configuration import TrainingConfiguration
from precondbench.baselines.convolutions import GEN, GATv2, GraphTransformer
from precondbench.baselines.corrected import CorrectedIC0, CorrectedPatch
from precondbench.baselines.edge_model import mlp
from precondbench.baselines.elimination_sweep import EliminationSweep
from precondbench.baselines.factor_model import FactorModel
from precondbench.baselines.global_attention import FastGraphTransformer, GlobalGraphTransformer
from precondbench.baselines.graph_batch import GraphBatch
from precondbench.baselines.graph_network import GraphNetwork
from precondbench.baselines.learned_closure import LearnedClosure
from precondbench.baselines.learned_elimination import LearnedElimination
from precondbench.baselines.losses import (
    cosine_per_graph,
    loss_names,
    negative_cosine,
    register_loss,
)
from precondbench.baselines.moebius_cell import MoebiusCell
from precondbench.baselines.moebius_scan import MoebiusScan
from precondbench.baselines.neural_if import LiFactor, NeuralIF
from precondbench.baselines.node_models import MLP, MessagePassingMLP
from precondbench.baselines.own_matrix import predict_factor
from precondbench.baselines.patch_network import PatchNetwork
from precondbench.baselines.prediction import predict
from precondbench.baselines.progress import EpochRecord, training_progress
from precondbench.baselines.recurrent import BidirectionalGRU
from precondbench.baselines.registry import (
    build_model,
    model_names,
    model_summary,
    register_model,
    register_node_model,
)
from precondbench.baselines.row_recurrence import DivisionCell, MonomialCell
from precondbench.baselines.run_configuration import RunConfiguration
from precondbench.baselines.training import TrainingResult, train

__all__ = [
    "GEN",
    "MLP",
    "BidirectionalGRU",
    "ChowPatel",
    "CorrectedIC0",
    "CorrectedPatch",
    "DivisionCell",
    "EliminationSweep",
    "EpochRecord",
    "FactorModel",
    "FastGraphTransformer",
    "GATv2",
    "GlobalGraphTransformer",
    "GraphBatch",
    "GraphNetwork",
    "GraphTransformer",
    "LearnedClosure",
    "LearnedElimination",
    "LiFactor",
    "MessagePassingMLP",
    "MoebiusCell",
    "MoebiusScan",
    "MonomialCell",
    "NeuralIF",
    "PatchNetwork",
    "RunConfiguration",
    "TrainingConfiguration",
    "TrainingResult",
    "build_model",
    "cosine_per_graph",
    "load_model",
    "loss_names",
    "mlp",
    "model_names",
    "model_summary",
    "negative_cosine",
    "predict",
    "predict_factor",
    "register_loss",
    "register_model",
    "register_node_model",
    "save_model",
    "train",
    "training_progress",
]
